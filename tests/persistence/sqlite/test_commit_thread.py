"""Commits beside a loop that never waits."""

import socket
import time

import trio

from persistence.protocols.store import Store
from persistence.sqlite import SqliteStores
from persistence.sqlite.commit_thread import let_them_run
from tests.support.disks import running
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
