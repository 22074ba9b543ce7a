"""One wheel for all timers: in order, never early, and none harms another."""

import logging
from functools import partial
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.wheel import TICK_SECONDS, Wheel


async def test_timers_ring_in_their_order_never_early_and_little_late(
    autojump_clock: MockClock,
) -> None:
    rang: list[tuple[float, float]] = []
    wheel = Wheel()

    def note(delay: float) -> None:
        rang.append((delay, trio.current_time()))

    delays = [3.0, 0.3, 0.0, 1.01, 0.124, 0.125, 0.126, 60.0, 59.0, 3.0]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        for delay in delays:
            wheel.after(delay, partial(note, delay))
        await trio.sleep(max(delays) + 2 * TICK_SECONDS)
        nursery.cancel_scope.cancel()
    assert sorted(delay for delay, _ in rang) == sorted(delays)
    moments = [moment for _, moment in rang]
    assert moments == sorted(moments)
    assert all(delay <= moment <= delay + TICK_SECONDS for delay, moment in rang)
    assert autojump_clock.current_time() > max(delays)


async def test_timers_that_were_set_before_it_runs_ring_too(autojump_clock: MockClock) -> None:
    wheel, rang = Wheel(), trio.Event()
    wheel.at(5.0, rang.set)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        await rang.wait()
        nursery.cancel_scope.cancel()
    assert 5.0 <= autojump_clock.current_time() <= 5.0 + TICK_SECONDS


async def test_a_sooner_timer_rings_sooner_though_a_later_one_was_waited_for(
    autojump_clock: MockClock,
) -> None:
    wheel, rang = Wheel(), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        wheel.after(50, lambda: rang.append("later"))
        await wait_all_tasks_blocked()
        wheel.after(1, lambda: rang.append("sooner"))
        await trio.sleep(1 + 2 * TICK_SECONDS)
        assert rang == ["sooner"]
        await trio.sleep(50 - TICK_SECONDS)
        assert rang == ["sooner", "later"]
        nursery.cancel_scope.cancel()
    assert autojump_clock.current_time() > 50


async def test_a_moment_that_has_passed_rings_soon(autojump_clock: MockClock) -> None:
    wheel, rang = Wheel(), trio.Event()
    later = 10
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        await trio.sleep(later)
        wheel.at(1.0, rang.set)
        await rang.wait()
        nursery.cancel_scope.cancel()
    assert autojump_clock.current_time() == later


async def test_a_timer_that_was_cancelled_never_rings_and_holds_nothing(
    autojump_clock: MockClock,
) -> None:
    wheel, rang = Wheel(), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        cancelled, kept = (wheel.after(1, lambda: rang.append("rang")) for _ in range(2))
        cancelled.cancel()
        assert cancelled.call is None
        await trio.sleep(1 + 2 * TICK_SECONDS)
        assert (rang, kept.call) == (["rang"], None)
        kept.cancel()
        cancelled.cancel()
        nursery.cancel_scope.cancel()
    assert autojump_clock.current_time() > 1


async def test_a_timer_may_be_cancelled_by_another_of_the_same_tick(
    autojump_clock: MockClock,
) -> None:
    wheel, rang = Wheel(), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        wheel.after(1, lambda: timers.pop().cancel())
        timers = [wheel.after(1, lambda: rang.append("second"))]
        await trio.sleep(1 + 2 * TICK_SECONDS)
        nursery.cancel_scope.cancel()
    assert rang == []
    assert autojump_clock.current_time() > 1


async def test_a_failure_is_logged_and_harms_no_other(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    wheel, rang = Wheel(), list[str]()

    def fail() -> None:
        raise ValueError("a fault")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        wheel.after(1, fail)
        wheel.after(1, lambda: rang.append("same tick"))
        wheel.after(2, lambda: rang.append("later"))
        await trio.sleep(2 + 2 * TICK_SECONDS)
        nursery.cancel_scope.cancel()
    assert rang == ["same tick", "later"]
    assert [record.message for record in caplog.records] == ["a timer failed"]
    assert autojump_clock.current_time() > 2


async def test_a_call_may_set_the_next_one(autojump_clock: MockClock) -> None:
    wheel, moments = Wheel(), list[float]()

    def again() -> None:
        moments.append(trio.current_time())
        wheel.after(1.0, again)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        again()
        await trio.sleep(5 + 6 * TICK_SECONDS)
        nursery.cancel_scope.cancel()
    steps = [later - sooner for sooner, later in pairwise(moments)]
    assert len(steps) == 5
    assert all(1.0 <= step <= 1.0 + TICK_SECONDS for step in steps)
    assert autojump_clock.current_time() > 5


async def test_thousands_of_timers_ring_once_each(autojump_clock: MockClock) -> None:
    wheel, rang = Wheel(), list[int]()
    count = 5_000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        timers = [
            wheel.after(number % 97 / 7, partial(rang.append, number)) for number in range(count)
        ]
        for timer in timers[::3]:
            timer.cancel()
        await trio.sleep(97 / 7 + 2 * TICK_SECONDS)
        assert sorted(rang) == [number for number in range(count) if number % 3]
        assert not wheel._buckets  # noqa: SLF001 - nothing is kept behind the last
        assert not wheel._ticks  # noqa: SLF001
        nursery.cancel_scope.cancel()
    assert autojump_clock.current_time() > 13
