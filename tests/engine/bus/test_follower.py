"""A follower gets every event behind its start exactly once and in order, live or not."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from engine.bus.bus import Bus
from engine.bus.follower import Follower
from engine.limits import REPLAY_PAGE_RECORDS
from engine.log.event import Event
from persistence.memory.feed import MemoryFeed
from persistence.memory.records_kept import KeptRecords
from persistence.records import StoredRecord
from tests.support.tallies import Count, Tallies, tally, tallying

NAMES = ("a", "b")


@dataclass
class Reader:
    """A sink that refuses when it is told to, and what it was given."""

    after: int
    room: bool = True
    seen: list[tuple[str, int]] = field(default_factory=list)
    woken: int = 0
    follower: Follower | None = None

    def take(self, event: Event) -> bool:
        if self.room:
            self.seen.append((event.stream.name, event.version))
        return self.room

    def wake(self) -> None:
        self.woken += 1

    async def catch_up(self) -> None:
        assert self.follower is not None
        if not self.follower.live:
            await self.follower.catch_up()


def follow(tallies: Tallies, name: str | None, after: int) -> Reader:
    reader = Reader(after)
    if name is None:
        reader.follower = tallies.bus.follow_all(reader.take, after=after, wake=reader.wake)
    else:
        reader.follower = tallies.bus.follow_stream(
            tally(name), reader.take, after=after, wake=reader.wake
        )
    return reader


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.integers(0, 1), st.integers(1, 3)),
        st.tuples(st.just("commit"), st.just(0), st.just(0)),
        st.tuples(st.just("follow stream"), st.integers(0, 1), st.integers(0, 3)),
        st.tuples(st.just("follow all"), st.just(0), st.integers(0, 3)),
        st.tuples(st.just("room"), st.integers(0, 5), st.integers(0, 1)),
        st.tuples(st.just("catch up"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("catch up while it commits"), st.integers(0, 5), st.integers(1, 2)),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=150)
@given(steps=STEPS)
def test_every_event_comes_once_and_in_order(steps: list[tuple[str, int, int]]) -> None:
    trio.run(follow_steps, steps)


async def follow_steps(steps: list[tuple[str, int, int]]) -> None:
    async with tallying() as tallies:
        for name in NAMES:
            await tallies.ask(Count("first", times=3), name=name)
        readers: list[tuple[str | None, Reader]] = []
        for step, which, number in steps:
            match step:
                case "count":
                    tallies.tell(Count("x", times=number), name=NAMES[which])
                case "commit":
                    await wait_all_tasks_blocked()
                case "follow stream":
                    readers.append((NAMES[which], follow(tallies, NAMES[which], number)))
                case "follow all":
                    readers.append((None, follow(tallies, None, number)))
                case _ if readers:
                    await read_on(tallies, readers[which % len(readers)][1], step, number)
        await wait_all_tasks_blocked()
        for followed, reader in readers:
            reader.room = True
            await until_live(reader)
            assert reader.seen == await expected(tallies, followed, reader.after)


async def read_on(tallies: Tallies, reader: Reader, step: str, number: int) -> None:
    if step == "room":
        reader.room = bool(number)
        return
    if step == "catch up while it commits":
        tallies.tell(Count("y", times=number), name="a")
    await reader.catch_up()


async def until_live(reader: Reader) -> None:
    assert reader.follower is not None
    while not reader.follower.live:
        await reader.catch_up()


async def expected(tallies: Tallies, name: str | None, after: int) -> list[tuple[str, int]]:
    if name is None:
        events = await tallies.log.read_feed(after=after)
    else:
        events = await tallies.log.read(tally(name), after=after)
    return [(event.stream.name, event.version) for event in events]


async def test_a_follower_is_not_live_before_it_has_read_the_log() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        reader = follow(tallies, "a", 0)
        await tallies.ask(Count("b"))
        assert reader.seen == []
        await until_live(reader)
        assert reader.seen == [("a", 1), ("a", 2)]
        await tallies.ask(Count("c"))
        assert reader.seen == [("a", 1), ("a", 2), ("a", 3)]
        assert reader.woken == 0


async def test_what_commits_during_the_last_page_is_not_missed() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        reader = follow(tallies, "a", 0)
        tallies.disk.hold()
        tallies.tell(Count("b"))
        await tallies.disk.wait_held()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.catch_up)
            tallies.disk.release()
        await wait_all_tasks_blocked()
        await until_live(reader)
        assert reader.seen == [("a", 1), ("a", 2)]


async def test_a_sink_without_room_wakes_once_and_is_fed_from_the_log() -> None:
    async with tallying() as tallies:
        reader = follow(tallies, "a", 0)
        await until_live(reader)
        reader.room = False
        for text in ("a", "b", "c"):
            await tallies.ask(Count(text))
        assert (reader.seen, reader.woken) == ([], 1)
        reader.room = True
        await until_live(reader)
        assert reader.seen == [("a", 1), ("a", 2), ("a", 3)]


async def test_a_long_history_comes_page_by_page() -> None:
    async with tallying() as tallies:
        for _ in range(3):
            await tallies.ask(Count("x", times=REPLAY_PAGE_RECORDS // 2))
        reader = follow(tallies, "a", 1)
        assert reader.follower is not None
        assert await reader.follower.catch_up()
        assert len(reader.seen) == REPLAY_PAGE_RECORDS
        await until_live(reader)
        assert [version for _, version in reader.seen] == list(
            range(2, 3 * (REPLAY_PAGE_RECORDS // 2) + 1)
        )


async def test_who_is_let_go_hears_nothing_more() -> None:
    async with tallying() as tallies:
        of_stream, of_all = follow(tallies, "a", 0), follow(tallies, None, 0)
        for reader, stream in ((of_stream, tally("a")), (of_all, None)):
            await until_live(reader)
            assert reader.follower is not None
            tallies.bus.unfollow(reader.follower, stream)
            tallies.bus.unfollow(reader.follower, stream)
        await tallies.ask(Count("a"))
        assert (of_stream.seen, of_all.seen) == ([], [])


async def test_a_follower_of_one_stream_hears_of_no_other() -> None:
    async with tallying() as tallies:
        reader = follow(tallies, "a", 0)
        await until_live(reader)
        await tallies.ask(Count("b"), name="b")
        await tallies.ask(Count("a"))
        assert reader.seen == [("a", 1)]


async def test_a_bus_that_is_closed_tells_nothing_more() -> None:
    async with tallying() as tallies:
        reader = follow(tallies, None, 0)
        await until_live(reader)
        await tallies.ask(Count("a", times=2))
        tallies.bus.close()
        await tallies.ask(Count("b"))
        assert reader.seen == [("a", 1), ("a", 2)]


def noteless(records: list[StoredRecord]) -> Iterator[StoredRecord]:
    return (replace(record, note=None) for record in records)


async def test_records_of_a_failed_commit_that_survived_are_found_in_the_log() -> None:
    async with tallying() as tallies:
        feed = MemoryFeed(KeptRecords())
        bus = Bus(feed, tallies.log)
        of_stream, of_all = Reader(0), Reader(0)
        of_stream.follower = bus.follow_stream(
            tally("a"), of_stream.take, after=0, wake=of_stream.wake
        )
        of_all.follower = bus.follow_all(of_all.take, after=0, wake=of_all.wake)
        await until_live(of_stream)
        await until_live(of_all)
        await tallies.ask(Count("a", times=2))
        feed.tell(tuple(noteless(await tallies.store.feed.read_feed())))
        for reader in (of_stream, of_all):
            assert reader.woken == 1
            await until_live(reader)
            assert reader.seen == [("a", 1), ("a", 2)]
