"""What connections share: sessions that are counted, bounded by key, and said goodbye to."""

import pytest
import trio
from trio.testing import MockClock

from engine.environment import Environment
from gateway.fanout.switchboard import Sessions, Switchboard
from gateway.limits import (
    DRAIN_BATCH_MIN,
    DRAIN_BATCHES,
    DRAIN_SECONDS,
    RETRY_AFTER_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MIN,
)
from tests.support.desks import opened


class Open:
    """A session that notes when it was told to stop."""

    def __init__(self, sessions: Sessions | None = None, *, customer: str = "") -> None:
        self._sessions = sessions
        self._customer = customer
        self.stops: list[tuple[float, float]] = []

    def stop(self, retry_after_s: float) -> None:
        self.stops.append((trio.current_time(), retry_after_s))
        if self._sessions is not None:
            self._sessions.discard(self)

    def sees_as(self, environment: Environment, contact_id: str) -> bool:
        return environment.name == "live" and contact_id == self._customer


def filled(count: int) -> tuple[Sessions, list[Open]]:
    sessions = Sessions()
    made = [Open(sessions) for _ in range(count)]
    for session in made:
        sessions.add(session, "json")
    return sessions, made


def test_sessions_are_counted_by_their_subprotocol() -> None:
    sessions, one, other = Sessions(), Open(), Open()
    sessions.add(one, "json")
    sessions.add(other, "msgpack")
    assert (len(sessions), sessions.counts) == (2, {"json": 1, "msgpack": 1})
    sessions.discard(one)
    sessions.discard(one)
    assert (len(sessions), sessions.counts) == (1, {"json": 0, "msgpack": 1})


def test_a_key_has_so_many_sessions_and_no_more() -> None:
    sessions = Sessions(per_key=2)
    made = [Open() for _ in range(4)]
    for session in made:
        sessions.add(session, "json")
    assert [sessions.enter(session, "key_1") for session in made[:3]] == [True, True, False]
    assert sessions.enter(made[3], "key_2")
    sessions.discard(made[2])
    sessions.discard(made[0])
    sessions.add(made[0], "json")
    assert sessions.enter(made[0], "key_1")
    sessions.add(made[2], "json")
    assert not sessions.enter(made[2], "key_1")
    for session in made:
        sessions.discard(session)
    assert not sessions._of_key  # noqa: SLF001 - nothing is kept about keys without sessions


def test_without_a_bound_a_key_has_any_number() -> None:
    sessions, made = filled(1000)
    assert all(sessions.enter(session, "key_1") for session in made)


@pytest.mark.parametrize("count", [0, 1, DRAIN_BATCH_MIN])
async def test_few_are_said_goodbye_to_at_once(autojump_clock: MockClock, count: int) -> None:
    sessions, made = filled(count)
    await sessions.drain()
    assert autojump_clock.current_time() == 0
    assert [len(session.stops) for session in made] == [1] * count
    assert len(sessions) == 0


async def test_many_are_said_goodbye_to_in_batches_within_the_time_for_it(
    autojump_clock: MockClock,
) -> None:
    count = DRAIN_BATCH_MIN * DRAIN_BATCHES * 2 + 5
    sessions, made = filled(count)
    await sessions.drain()
    assert [len(session.stops) for session in made] == [1] * count
    moments = [moment for session in made for moment, _ in session.stops]
    assert len(set(moments)) == DRAIN_BATCHES
    assert max(moments.count(moment) for moment in set(moments)) == -(-count // DRAIN_BATCHES)
    assert max(moments) < DRAIN_SECONDS
    assert autojump_clock.current_time() < DRAIN_SECONDS
    firsts = [made[at].stops[0][0] for at in range(DRAIN_BATCH_MIN)]
    assert len(set(firsts)) > 1, "who came first is not the first to go"


async def test_each_is_told_another_moment_to_come_back_at() -> None:
    sessions, made = filled(DRAIN_BATCH_MIN)
    await sessions.drain()
    moments = [retry for session in made for _, retry in session.stops]
    assert min(moments) >= RETRY_AFTER_SECONDS_MIN
    assert max(moments) <= RETRY_AFTER_SECONDS_MAX
    assert len(set(moments)) > 10


async def test_sessions_and_streams_are_drained_beside_each_other(
    autojump_clock: MockClock,
) -> None:
    board = Switchboard()
    for kind in (board.sessions, board.streams):
        for _ in range(DRAIN_BATCH_MIN * 3):
            kind.add(Open(kind), "x")
    await board.drain()
    assert (len(board.sessions), len(board.streams)) == (0, 0)
    assert autojump_clock.current_time() < DRAIN_SECONDS


async def test_an_environment_has_its_own_rooms_and_keeps_them() -> None:
    board = Switchboard()
    async with opened() as desk, opened() as other:
        rooms = board.rooms_of(desk.environment)
        assert board.rooms_of(desk.environment) is rooms
        assert board.rooms_of(other.environment) is not rooms


async def test_everything_that_it_shares_works_while_it_runs(autojump_clock: MockClock) -> None:
    board, rang = Switchboard(), trio.Event()
    flushed: list[str] = []

    class Line:
        def flush(self) -> None:
            flushed.append("line")

    async with trio.open_nursery() as nursery:
        await nursery.start(board.run)
        board.wheel.after(3, rang.set)
        board.outflow.mark_line(Line())
        await rang.wait()
        nursery.cancel_scope.cancel()
    assert flushed == ["line"]
    assert autojump_clock.current_time() >= 3


async def test_those_who_have_seen_by_an_erased_customer_are_let_go() -> None:
    sessions = Sessions()
    one, other = Open(sessions, customer="usr_1"), Open(sessions, customer="usr_2")
    for session in (one, other):
        sessions.add(session, "json")
    async with opened() as desk:
        sessions.look_again(desk.environment, "usr_1")
    assert (len(one.stops), len(other.stops), len(sessions)) == (1, 0, 1)
