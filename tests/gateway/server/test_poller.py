"""One task that waits for all connections: whom it calls, in which order, and for how long."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.server import poller as poller_module
from gateway.server.poller import EVENTS_MAX, PASS_SECONDS_MAX, READ, WRITE, OnReady, Poller


class Ends:
    """Counts the ends of passes."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


class Clock:
    """A clock that goes on by as much a look as it is told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.step = 0.0

    def perf_counter(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(poller_module, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    return clock


@contextmanager
def pairs(count: int) -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Open connections: our end of each, and the peer's."""
    with ExitStack() as stack:
        made = [socket.socketpair() for _ in range(count)]
        for ours, peer in made:
            for end in (ours, peer):
                end.setblocking(False)  # noqa: FBT003 - its signature
                stack.enter_context(end)
        yield made


@contextmanager
def of_test(poller: Poller) -> Iterator[Poller]:
    """Close a poller that was never run."""
    try:
        yield poller
    finally:
        poller._epoll.close()  # noqa: SLF001


def noting(called: list[int], number: int) -> OnReady:
    """Return a callback that notes that it was called."""

    def on_ready(mask: int) -> None:
        assert mask
        called.append(number)

    return on_ready


async def test_whoever_has_something_to_read_is_called_and_nobody_else() -> None:
    called: list[tuple[int, int]] = []
    ends = Ends()
    poller = Poller(ends)
    with pairs(3) as made:
        for number, (ours, _) in enumerate(made):

            def on_ready(mask: int, number: int = number, ours: socket.socket = ours) -> None:
                called.append((number, mask))
                ours.recv(100)

            poller.add(ours.fileno(), READ, on_ready)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poller.run)
            await wait_all_tasks_blocked()
            assert (called, ends.count) == ([], 0)
            made[1][1].send(b"x")
            made[2][1].send(b"y")
            await wait_all_tasks_blocked()
            assert sorted(called) == [(1, READ), (2, READ)]
            assert ends.count == 1
            nursery.cancel_scope.cancel()


async def test_who_is_changed_is_called_for_the_new_reason_alone() -> None:
    called: list[int] = []
    poller = Poller(Ends())
    with pairs(1) as made, of_test(poller):
        ((ours, peer),) = made
        poller.add(ours.fileno(), READ, called.append)
        peer.send(b"x")
        poller.change(ours.fileno(), 0)
        poller._pass()  # noqa: SLF001
        assert called == []
        poller.change(ours.fileno(), WRITE)
        poller._pass()  # noqa: SLF001
        assert called == [WRITE]
        poller.remove(ours.fileno())
        poller.remove(ours.fileno())
        poller._pass()  # noqa: SLF001
        assert called == [WRITE]


async def test_who_is_closed_by_another_of_the_same_pass_is_not_called() -> None:
    called: list[int] = []
    poller = Poller(Ends())
    with pairs(2) as made, of_test(poller):

        def on_ready(mask: int, number: int) -> None:
            del mask
            called.append(number)
            for ours, _ in made:
                poller.remove(ours.fileno())

        for number, (ours, peer) in enumerate(made):
            poller.add(ours.fileno(), READ, partial(on_ready, number=number))
            peer.send(b"x")
        poller._pass()  # noqa: SLF001
        assert len(called) == 1


async def test_a_number_that_is_used_again_within_a_pass_calls_its_new_owner() -> None:
    called: list[str] = []
    poller = Poller(Ends())
    with pairs(2) as made, of_test(poller):
        ends = {ours.fileno(): ours for ours, _ in made}

        def reuse(mask: int, mine: int) -> None:
            del mask
            called.append("closed the other")
            (other,) = ends.keys() - {mine}
            poller.remove(other)
            poller.add(other, READ, lambda _: called.append("new"))

        for fd in ends:
            poller.add(fd, READ, partial(reuse, mine=fd))
        for _, peer in made:
            peer.send(b"x")
        poller._pass()  # noqa: SLF001
        assert called == ["closed the other", "new"]


async def test_a_pass_ends_when_it_has_had_its_time_and_still_lets_out_what_it_made(
    clock: Clock,
) -> None:
    called: list[int] = []
    ends = Ends()
    poller = Poller(ends)
    with pairs(8) as made, of_test(poller):
        for number, (ours, peer) in enumerate(made):
            poller.add(ours.fileno(), READ, noting(called, number))
            peer.send(b"x")
        clock.step = PASS_SECONDS_MAX * 0.4
        poller._pass()  # noqa: SLF001
        assert len(called) == 3
        assert ends.count == 1
        clock.step = 0.0
        poller._pass()  # noqa: SLF001
        assert ends.count == 2
        assert sorted(set(called)) == list(range(8))


async def test_nobody_waits_for_ever_behind_those_who_always_have_something(clock: Clock) -> None:
    called: list[int] = []
    poller = Poller(Ends())
    with pairs(6) as made, of_test(poller):
        for number, (ours, peer) in enumerate(made):
            poller.add(ours.fileno(), READ, noting(called, number))
            peer.send(b"never read, so that each of them is always ready")
        clock.step = PASS_SECONDS_MAX * 0.6
        for _ in range(9):
            poller._pass()  # noqa: SLF001
        assert {number: called.count(number) for number in range(6)} == dict.fromkeys(range(6), 3)


async def test_who_has_ended_while_it_waited_for_the_next_pass_is_not_called(clock: Clock) -> None:
    called: list[int] = []
    poller = Poller(Ends())
    with pairs(4) as made, of_test(poller):
        for number, (ours, peer) in enumerate(made):
            poller.add(ours.fileno(), READ, noting(called, number))
            peer.send(b"x")
        clock.step = PASS_SECONDS_MAX * 2
        poller._pass()  # noqa: SLF001
        assert len(called) == 1
        for ours, _ in made:
            poller.remove(ours.fileno())
        clock.step = 0.0
        poller._pass()  # noqa: SLF001
        assert len(called) == 1


async def test_more_than_one_look_finds_are_found_by_the_next() -> None:
    assert EVENTS_MAX > 3
    called: list[int] = []
    poller = Poller(Ends())
    with pairs(EVENTS_MAX // 2 + 3) as made, of_test(poller):
        both = [end for pair in made for end in pair]
        for number, end in enumerate(both):
            poller.add(end.fileno(), WRITE, noting(called, number))
        poller._pass()  # noqa: SLF001
        poller._pass()  # noqa: SLF001
        assert len(set(called)) == len(both)


async def test_connections_may_still_be_closed_when_it_has_ended() -> None:
    poller = Poller(Ends())
    with pairs(2) as made:
        (first, _), (second, _) = made
        for ours in (first, second):
            poller.add(ours.fileno(), READ, lambda _: None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poller.run)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        poller.change(first.fileno(), READ | WRITE)
        for ours in (first, second):
            poller.remove(ours.fileno())
