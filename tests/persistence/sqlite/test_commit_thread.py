"""Commits beside a loop that never waits."""

import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from persistence.protocols.store import Store
from persistence.sqlite import SqliteStores, commit_thread
from persistence.sqlite.commit_thread import PATIENCE_SECONDS, CommitThread, let_them_run
from tests.support.disks import HELD_SECONDS_MAX, SqliteDisk, running, sqlite_disk
from tests.support.drafts import write

SLICE_SECONDS = 0.0001
COMMITS = 5
PASSES_MAX = 3_000
"""Of the loop, for all of them. A commit takes about 30; without a yield, some thousands."""


class BusyLoop:
    """Computes and sends without ever waiting, and counts its passes."""

    def __init__(self) -> None:
        self.passes = 0

    async def run(self) -> None:
        here, there = socket.socketpair()
        with here, there:
            while True:
                until = time.perf_counter() + SLICE_SECONDS
                while time.perf_counter() < until:
                    pass
                here.send(b"x")
                there.recv(1)
                self.passes += 1
                await trio.lowlevel.checkpoint()


async def committed(store: Store) -> None:
    for version in range(COMMITS):
        await store.log.append([write("a", version)])


async def test_a_loop_that_never_waits_does_not_starve_a_commit(stores: SqliteStores) -> None:
    loop = BusyLoop()
    async with running(stores) as store, trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        await committed(store)
        nursery.cancel_scope.cancel()
    assert loop.passes < PASSES_MAX


async def test_a_loop_is_asked_to_yield_in_one_place_and_for_what_is_under_way(
    stores: SqliteStores,
) -> None:
    asked = let_them_run()
    async with running(stores) as one, running(stores, environment="test") as other:
        await committed(one)
        await committed(other)
        assert let_them_run() is asked
        assert len(asked) == 0


async def test_two_stores_may_commit_at_the_same_time(stores: SqliteStores) -> None:
    async with (
        running(stores) as one,
        running(stores, environment="test") as other,
        trio.open_nursery() as nursery,
    ):
        for store in (one, other):
            nursery.start_soon(committed, store)


class Clock:
    """Goes on when it is told, and counts how often the loop has let go of the interpreter."""

    def __init__(self) -> None:
        self.now = 0.0
        self.yields = 0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds == 0, "a loop yields, and waits for nothing"
        self.yields += 1

    async def passed(self, passes: int) -> int:
        """Let a loop that never waits pass so often; return how often it has yielded."""
        before = self.yields
        for _ in range(passes):
            await trio.lowlevel.checkpoint()
        return self.yields - before


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    held = SimpleNamespace(perf_counter=clock.perf_counter, sleep=clock.sleep)
    monkeypatch.setattr(commit_thread, "time", held)
    return clock


@pytest.fixture
async def disk(root: Path) -> AsyncIterator[SqliteDisk]:
    with sqlite_disk(root) as disk:
        await disk.stores.open()
        yield disk
        disk.stores.close()


async def test_a_busy_loop_yields_once_a_pass_to_a_commit_that_is_late(
    disk: SqliteDisk, clock: Clock
) -> None:
    async with running(disk.stores) as store:
        async with trio.open_nursery() as nursery:
            disk.hold()
            nursery.start_soon(store.log.append, [write("a", 0)])
            await disk.wait_held()
            assert await clock.passed(100) == 0
            clock.now = PATIENCE_SECONDS
            assert await clock.passed(100) == 0
            clock.now = PATIENCE_SECONDS * 1.01
            assert await clock.passed(100) == 100
            disk.release()
        assert await clock.passed(100) == 0


async def test_a_loop_that_is_about_to_wait_yields_by_that(disk: SqliteDisk, clock: Clock) -> None:
    async with running(disk.stores) as store, trio.open_nursery() as nursery:
        disk.hold()
        nursery.start_soon(store.log.append, [write("a", 0)])
        await disk.wait_held()
        clock.now = PATIENCE_SECONDS * 2
        for timeout, yields in ((0.001, 0), (float("inf"), 0), (0.0, 1)):
            before = clock.yields
            let_them_run().before_io_wait(timeout)
            assert clock.yields - before == yields
        disk.release()


class Held:
    """A commit in a thread of its own that the test ends."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self._thread = CommitThread("held")
        self._released, self._done = threading.Event(), trio.Event()

    async def run(self) -> None:
        self.failure = await self._thread.call(self._wait)
        self._done.set()

    async def end(self) -> None:
        self._released.set()
        await self._done.wait()
        self._thread.join()

    def _wait(self) -> None:
        assert self._released.wait(HELD_SECONDS_MAX)


async def test_each_of_several_commits_is_late_by_itself(clock: Clock) -> None:
    first, second = Held(), Held()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.run)
        assert await clock.passed(10) == 0
        clock.now = PATIENCE_SECONDS * 0.5
        nursery.start_soon(second.run)
        assert await clock.passed(10) == 0
        clock.now = PATIENCE_SECONDS * 1.1
        assert await clock.passed(10) == 10
        await first.end()
        assert await clock.passed(10) == 0
        clock.now = PATIENCE_SECONDS * 1.6
        assert await clock.passed(10) == 10
        await second.end()
    assert await clock.passed(10) == 0
    assert (first.failure, second.failure) == (None, None)
