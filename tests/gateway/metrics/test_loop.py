"""The lag of the loop, measured on a real one."""

import time

import trio

from gateway.metrics.buckets import LAG_SECONDS
from gateway.metrics.loop import PERIOD_SECONDS, LoopLag
from tests.gateway.metrics.waiting import until

HELD_SECONDS = PERIOD_SECONDS + 0.03
SEEN_ABOVE_SECONDS = 0.025


def above(loop: LoopLag, bound: float) -> int:
    assert bound in LAG_SECONDS
    return loop.late.count - dict(loop.late.cumulative())[bound]


async def test_a_task_that_holds_the_loop_is_seen() -> None:
    loop = LoopLag()
    loop.watch()
    await until(lambda: loop.late.count >= 1)
    before = above(loop, SEEN_ABOVE_SECONDS)
    held_until = time.perf_counter() + HELD_SECONDS
    while time.perf_counter() < held_until:
        pass
    looks = loop.late.count + 1
    await until(lambda: loop.late.count >= looks)
    assert above(loop, SEEN_ABOVE_SECONDS) > before


async def test_watching_twice_counts_once() -> None:
    once, twice = LoopLag(), LoopLag()
    for loop in (once, twice, twice):
        loop.watch()
    await until(lambda: once.late.count >= 3)
    await until(lambda: twice.late.count >= 3)
    assert abs(once.late.count - twice.late.count) <= 1


def test_it_can_watch_one_loop_after_another() -> None:
    loop = LoopLag()

    async def watched(count: int) -> None:
        loop.watch()
        await until(lambda: loop.late.count >= count)

    trio.run(watched, 1)
    trio.run(watched, 2)
    assert loop.late.count >= 2
