"""Who listens to the bus: told in order, of what it asked for, and no more when it has left."""

from dataclasses import dataclass, field

from engine.bus.bus import Bus
from engine.log.event import Event
from persistence.memory.feed import MemoryFeed
from persistence.memory.records_kept import KeptRecords
from persistence.records import StoredRecord
from tests.support.tallies import Count, event, tally, tallying


@dataclass(eq=False)
class Heard:
    """A listener, and what it heard."""

    heard: list[str] = field(default_factory=list)

    def publish(self, event: Event) -> None:
        self.heard.append(f"{event.stream.name}{event.version}")

    def missed(self, record: StoredRecord) -> None:
        self.heard.append(f"missed {record.stream.name}{record.version}")


def record(version: int, name: str = "a", *, known: bool = True) -> StoredRecord:
    note = event(version, stream=tally(name)) if known else None
    return StoredRecord(version, tally(name), version, b"", b"", note=note)


async def test_listeners_hear_of_their_stream_or_of_everything() -> None:
    async with tallying() as tallies:
        of_a, of_all = Heard(), Heard()
        tallies.bus.attach(of_a, tally("a"))
        tallies.bus.attach(of_a, tally("a"))
        tallies.bus.attach(of_all, None)
        await tallies.ask(Count("x", times=2), name="a")
        await tallies.ask(Count("x"), name="b")
        assert (of_a.heard, of_all.heard) == (["a1", "a2"], ["a1", "a2", "b1"])


async def test_who_has_left_hears_nothing_more_and_nothing_is_kept() -> None:
    async with tallying() as tallies:
        bus, of_a, of_all = tallies.bus, Heard(), Heard()
        bus.attach(of_a, tally("a"))
        bus.attach(of_all, None)
        for _ in range(2):
            bus.detach(of_a, tally("a"))
            bus.detach(of_all, None)
        bus.detach(of_a, tally("never attached"))
        await tallies.ask(Count("x"))
        assert (of_a.heard, of_all.heard) == ([], [])
        assert (bus._by_stream, bus._of_all) == ({}, {})  # noqa: SLF001


async def test_a_record_without_its_event_is_told_as_missed_in_its_place() -> None:
    async with tallying() as tallies:
        feed = MemoryFeed(KeptRecords())
        bus, heard = Bus(feed, tallies.log), Heard()
        bus.attach(heard, tally("a"))
        feed.tell((record(1), record(2, known=False), record(3), record(1, "b", known=False)))
        assert heard.heard == ["a1", "missed a2", "a3"]


async def test_behind_a_batch_is_behind_all_of_its_events_and_once() -> None:
    async with tallying() as tallies:
        feed = MemoryFeed(KeptRecords())
        bus, heard = Bus(feed, tallies.log), Heard()
        bus.attach(heard, None)
        for name in ("one", "two"):
            bus.behind_batches(lambda name=name: heard.heard.append(name))  # type: ignore[misc]
        feed.tell((record(1), record(2)))
        feed.tell((record(3),))
        assert heard.heard == ["a1", "a2", "one", "two", "a3", "one", "two"]


async def test_who_comes_or_goes_while_events_are_told_harms_no_other() -> None:
    async with tallying() as tallies:
        feed = MemoryFeed(KeptRecords())
        bus, last, late = Bus(feed, tallies.log), Heard(), Heard()

        class Restless(Heard):
            def publish(self, event: Event) -> None:
                super().publish(event)
                bus.detach(self, tally("a"))
                bus.attach(late, tally("a"))

        restless = Restless()
        bus.attach(restless, tally("a"))
        bus.attach(last, tally("a"))
        feed.tell((record(1), record(2)))
        assert (restless.heard, last.heard, late.heard) == (["a1"], ["a1", "a2"], ["a2"])
