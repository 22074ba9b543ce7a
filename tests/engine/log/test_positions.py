"""Positions found in the log are those that a look at every event would find."""

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import ids
from engine.errors import BadPositionError, BadVersionError
from engine.events.service import Positions, Start
from engine.log.cursor import AtEvent, AtTime, CursorMaker, Position
from engine.log.event import STAFF, Event
from persistence.records import Stream
from tests.support.tallies import KEY, NOW_MS, Count, Tallies, tally, tallying


def positions(tallies: Tallies) -> Positions:
    return Positions(tallies.log, lambda: tallies.now_ms)


async def within(found: Positions, stream: Stream, position: Position) -> Start:
    """Look in a stream as staff, who may see all of it."""
    head = (await found.head(stream)).after
    return await found.in_stream(stream, position, head=head, audience=STAFF)


async def written(tallies: Tallies, steps: list[tuple[str, int]]) -> list[Event]:
    """Count in the named streams, each after so many milliseconds; return everything there is."""
    for name, pause_ms in steps:
        tallies.now_ms += pause_ms
        await tallies.ask(Count("x"), name=name)
    return await tallies.log.read_feed(after=0)


STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=12)


@settings(deadline=None, max_examples=50)
@given(STEPS)
def test_times_are_found_as_by_looking_at_every_event(steps: list[tuple[str, int]]) -> None:
    trio.run(compare_times, steps)


async def compare_times(steps: list[tuple[str, int]]) -> None:
    async with tallying() as tallies:
        events = await written(tallies, steps)
        for time_ms in range(NOW_MS - 1, tallies.now_ms + 2):
            before = [event for event in events if event.time_ms < time_ms]
            place = before[-1].position if before else 0
            at = AtTime(time_ms)
            assert await positions(tallies).in_feed(at) == Start(place)
            for name in "ab":
                versions = [e.version for e in before if e.stream == tally(name)]
                start = await within(positions(tallies), tally(name), at)
                assert start == Start(max(versions, default=0))


@settings(deadline=None, max_examples=50)
@given(STEPS)
def test_cursors_and_events_are_found_in_feed_and_stream(steps: list[tuple[str, int]]) -> None:
    trio.run(compare_places, steps)


async def compare_places(steps: list[tuple[str, int]]) -> None:
    async with tallying() as tallies:
        events = await written(tallies, steps)
        found = positions(tallies)
        for event in events:
            cursor = found.parse(tallies.log.cursor_of(event))
            assert await found.in_feed(cursor) == Start(event.position)
            assert await found.in_feed(found.parse(event.id)) == Start(event.position)
            for name in "ab":
                upto = [e for e in events[: event.position] if e.stream == tally(name)]
                assert await within(found, tally(name), cursor) == Start(len(upto))
            await compare_event(found, event)


async def compare_event(found: Positions, event: Event) -> None:
    at = found.parse(event.id)
    assert await within(found, event.stream, at) == Start(event.version)
    for other in {tally("a"), tally("b")} - {event.stream}:
        with pytest.raises(BadPositionError):
            await within(found, other, at)


async def test_a_version_stands_for_itself_and_an_absent_one_is_bad() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("x", times=2))
        found = positions(tallies)
        for version in range(3):
            for text in (str(version), f'"{tallies.log.epoch}.{version}"'):
                assert await within(found, tally(), found.parse(text)) == Start(version)
        for text in ("3", f"{tallies.log.epoch}.3", "9" * 15):
            with pytest.raises(BadVersionError):
                await within(found, tally(), found.parse(text))
        assert await found.head(tally()) == Start(2)
        assert await found.head(tally("nobody")) == Start(0)


async def test_a_version_names_nothing_in_the_whole_environment() -> None:
    async with tallying() as tallies:
        found = positions(tallies)
        with pytest.raises(BadPositionError):
            await found.in_feed(found.parse("0"))


async def test_positions_of_another_epoch_start_anew() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("x"))
        found = positions(tallies)
        cursor = found.parse(CursorMaker(KEY, "zzzzzzzz").make(99))
        assert await found.in_feed(cursor) == Start(0, reset=True)
        assert await within(found, tally(), cursor) == Start(0, reset=True)
        etag = found.parse('"zzzzzzzz.99"')
        assert await within(found, tally(), etag) == Start(0, reset=True)


async def test_a_cursor_behind_the_end_and_an_unknown_event_are_refused() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("x"))
        found = positions(tallies)
        with pytest.raises(BadVersionError):
            await found.in_feed(found.parse(tallies.log.cursors.make(2)))
        with pytest.raises(BadPositionError):
            await found.in_feed(AtEvent(ids.new_uuid()))


async def test_an_empty_log_begins_at_its_begin() -> None:
    async with tallying() as tallies:
        assert await positions(tallies).in_feed(AtTime(NOW_MS)) == Start(0)
        assert await tallies.log.last_time_ms() == 0
