"""A turn that does not end is ended, and nothing else ever is."""

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.actor.outcome import Accepted, Query
from engine.actor.watchdog import TurnTooLongError, Watchdog
from engine.errors import ActorStoppedError, ConversationParkedError, IdempotencyInProgressError
from tests.support.tallies import Count, TallyState, key, tallying

QUICK = 0.000_2
"""Seconds that turns may take here, so that many of them end as the watchdog looks."""

ROUNDS = 4_000


def spin(rounds: int) -> None:
    for _ in range(rounds):
        pass


def for_ever() -> None:
    while True:
        pass


def ask_for_ever(_: TallyState) -> None:
    for_ever()


@pytest.mark.parametrize("command", [Count("x", decides_for_ever=True), Query(ask_for_ever)])
async def test_a_loop_in_the_rules_is_ended_and_its_stream_parked(command: object) -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        await tallies.ask(Count("b"), name="b")
        before, loop = tallies.tell(Count("before")), tallies.tell(command)
        behind, other = tallies.tell(Count("behind")), tallies.tell(Count("c"), name="b")
        with trio.fail_after(10):
            await wait_all_tasks_blocked()
        for asked in (before, loop, behind):
            assert isinstance(asked.answer, ActorStoppedError)
        assert other.versions == [2]
        with pytest.raises(ConversationParkedError):
            await tallies.ask(Count("c"))
        assert await tallies.texts() == ["a"]


async def test_a_loop_in_what_an_event_does_is_ended_too() -> None:
    async with tallying() as tallies:
        await tallies.keyring.ensure({"somebody"})
        with pytest.raises(ActorStoppedError):
            await tallies.ask(Count("x", applies_for_ever=True))
        assert await tallies.texts() == []
        assert isinstance(await tallies.ask(Count("b"), name="b"), Accepted)


async def test_an_answer_of_another_turn_is_not_lost_with_the_one_that_was_ended() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        tallies.disk.hold()
        first = tallies.tell(Count("b"), key("k"))
        await tallies.disk.wait_held()
        again = tallies.tell(Count("b"), key("k"))
        tallies.tell(Count("x", decides_for_ever=True))
        await wait_all_tasks_blocked()
        assert isinstance(again.answer, IdempotencyInProgressError | ActorStoppedError)
        assert first.answer is None
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert first.versions == [2]


@pytest.fixture
def _threads_in_each_others_way() -> Iterator[None]:
    """Let threads take turns as often as they can, so that a shot is fired at any line."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.000_001)
    yield
    sys.setswitchinterval(usual)


async def stands_guard(work: Callable[[Watchdog], None], watchdog: Watchdog) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(watchdog.run)
        work(watchdog)
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("_threads_in_each_others_way")
async def test_a_shot_never_lands_outside_of_a_turn() -> None:
    counts = {"ended": 0, "well": 0}

    def work(watchdog: Watchdog) -> None:
        for number in range(ROUNDS):
            try:
                watchdog.guarded(partial(spin, 2_000 + number % 97 * 200))
                counts["well"] += 1
            except TurnTooLongError:
                counts["ended"] += 1
            spin(number % 50)

    await stands_guard(work, Watchdog(seconds=QUICK, looks=0.000_01))
    assert min(counts.values()) > 0, counts


async def test_a_turn_that_ends_as_it_is_shot_at_waits_for_the_shot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    about_to, work_done = threading.Event(), threading.Event()
    shoot = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def late(*shot: object) -> None:
        if threading.current_thread() is not threading.main_thread():
            about_to.set()
            work_done.wait(10)
        shoot(*shot)

    def just_ends() -> None:
        while not about_to.is_set():
            spin(1_000)
        work_done.set()

    def work(watchdog: Watchdog) -> None:
        with suppress(TurnTooLongError):
            watchdog.guarded(just_ends)
        spin(100_000)

    monkeypatch.setattr("engine.actor.watchdog._shoot", late)
    await stands_guard(work, Watchdog(seconds=0.01, looks=0.001))


@pytest.mark.usefixtures("_threads_in_each_others_way")
async def test_a_failure_of_a_turn_is_its_own() -> None:
    def fail() -> None:
        spin(20_000)
        message = "a fault in the rules"
        raise RuntimeError(message)

    def work(watchdog: Watchdog) -> None:
        for _ in range(200):
            with pytest.raises((RuntimeError, TurnTooLongError)):
                watchdog.guarded(fail)

    await stands_guard(work, Watchdog(seconds=QUICK, looks=0.000_01))


async def test_rules_that_take_everything_for_a_failure_are_ended_all_the_same() -> None:
    def stubborn() -> None:
        while True:
            with suppress(Exception):
                for_ever()

    def work(watchdog: Watchdog) -> None:
        with pytest.raises(TurnTooLongError):
            watchdog.guarded(stubborn)

    await stands_guard(work, Watchdog(seconds=0.01, looks=0.001))


async def test_a_turn_that_uses_no_processor_time_is_not_ended() -> None:
    waits = threading.Event()

    def wait() -> None:
        waits.wait(0.2)

    def work(watchdog: Watchdog) -> None:
        watchdog.guarded(wait)

    await stands_guard(work, Watchdog(seconds=0.05, looks=0.001))


async def test_nobody_watches_any_more_when_it_has_ended() -> None:
    before = threading.active_count()
    await stands_guard(lambda watchdog: watchdog.guarded(lambda: None), Watchdog())
    assert threading.active_count() == before
