"""Errands that need a task, those that fail to ask for one, and what is left at the end."""

import gc
import weakref
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.errand import Errands, Reply, _Rest, in_task
from tests.engine.errands import SECONDS, OddError, begun, running, tasks


async def test_the_rest_becomes_a_task_that_may_wait_for_anything() -> None:
    async with running() as errands:
        before = tasks()

        async def errand() -> str:
            await in_task()
            await in_task()
            with trio.move_on_after(SECONDS):
                await trio.lowlevel.checkpoint()
            assert await answered.within(SECONDS) == "there"
            return "done"

        answered = Reply[str]()
        ended = begun(errands, errand())
        assert (ended.told, tasks()) == ([], before + 1)
        await wait_all_tasks_blocked()
        answered.give("there")
        await wait_all_tasks_blocked()
        assert ended.result == "done"
        assert tasks() == before


async def test_who_runs_in_a_task_already_is_not_given_another() -> None:
    before = tasks()
    await in_task()
    assert tasks() == before


async def test_a_failure_in_a_task_is_handed_over_and_harms_no_other() -> None:
    async with running() as errands:

        async def errand() -> None:
            await in_task()
            await trio.lowlevel.checkpoint()
            raise OddError

        ended = begun(errands, errand())
        await wait_all_tasks_blocked()
        assert isinstance(ended.error, OddError)
        assert begun(errands, Reply[int]().within(SECONDS)).told == []


async def test_what_is_thrown_at_its_task_reaches_the_coroutine(autojump_clock: MockClock) -> None:
    async with running() as errands:
        caught: list[str] = []

        async def errand() -> str:
            await in_task()
            with trio.move_on_after(3) as scope:
                await trio.sleep_forever()
            caught.append(f"cancelled {scope.cancelled_caught}")
            try:
                with trio.fail_after(2):
                    await trio.sleep_forever()
            except trio.TooSlowError:
                caught.append("too slow")
            return "went on"

        ended = begun(errands, errand())
        later = 6
        await trio.sleep(later)
        assert (caught, ended.result) == (["cancelled True", "too slow"], "went on")
    assert autojump_clock.current_time() == pytest.approx(6)


@pytest.mark.parametrize(
    "wait",
    [
        trio.lowlevel.checkpoint,
        trio.sleep_forever,
        partial(trio.sleep, 1),
        lambda: trio.Event().wait(),
        lambda: trio.Lock().acquire(),
        trio.testing.wait_all_tasks_blocked,
    ],
    ids=["checkpoint", "forever", "sleep", "event", "lock", "blocked"],
)
async def test_a_wait_for_trio_outside_of_a_task_fails_at_once_and_parks_nobody(wait: Any) -> None:
    async with running() as errands:
        let_go: list[str] = []

        async def errand() -> None:
            try:
                await wait()
            finally:
                let_go.append("its resources")

        driver, before = trio.lowlevel.current_task(), tasks()
        ended = begun(errands, errand())
        assert isinstance(ended.error, AssertionError | RuntimeError)
        assert let_go == ["its resources"]
        assert trio.lowlevel.current_task() is driver
        assert tasks() == before
        with trio.fail_after(SECONDS):
            await trio.lowlevel.checkpoint()


async def test_what_such_a_wait_was_for_may_happen_and_wakes_nobody() -> None:
    async with running() as errands:
        happens, lot = trio.Event(), trio.lowlevel.ParkingLot()
        for wait in (happens.wait, lot.park):
            assert begun(errands, wait()).error is not None
        assert (happens.statistics().tasks_waiting, len(lot)) == (0, 0)
        happens.set()
        lot.unpark_all()
        with trio.fail_after(SECONDS):
            await trio.lowlevel.checkpoint()


async def test_whoever_carries_the_rest_may_throw_into_it() -> None:
    caught: list[str] = []

    async def errand() -> str:
        try:
            await trio.lowlevel.checkpoint()
        except OddError:
            caught.append("odd")
        return "went on"

    rest = _Rest(errand()).__await__()
    next(rest)
    with pytest.raises(StopIteration) as end:
        rest.throw(OddError())
    assert (caught, end.value.value) == (["odd"], "went on")


async def test_one_errand_may_let_another_go_on_from_inside() -> None:
    async with running() as errands:
        reply, order = Reply[str](), list[str]()

        async def waiting() -> None:
            order.append(f"waiting got {await reply.within(SECONDS)}")
            await in_task()
            order.append("waiting has a task")

        async def giving() -> None:
            order.append("giving")
            reply.give("it")
            order.append("gave")
            inner = begun(errands, nothing())
            order.append(f"inner said {inner.result}")
            await in_task()
            order.append("giving has a task")

        async def nothing() -> str:
            return "nothing"

        both = [begun(errands, waiting()), begun(errands, giving())]
        assert order == ["giving", "waiting got it", "gave", "inner said nothing"]
        await wait_all_tasks_blocked()
        assert sorted(order[4:]) == ["giving has a task", "waiting has a task"]
        assert [ended.result for ended in both] == [None, None]


async def test_behind_an_errand_the_task_that_drove_it_waits_as_before() -> None:
    async with running() as errands:
        reply = Reply[int]()

        async def fails() -> None:
            await reply.within(SECONDS)
            raise OddError

        ended = begun(errands, fails())
        reply.give(1)
        assert isinstance(ended.error, OddError)
        later = Reply[int]()
        with trio.move_on_after(0) as scope:
            await later.within(SECONDS)  # a task waits here, not an errand
        assert scope.cancelled_caught


async def test_without_a_nursery_nothing_becomes_a_task_and_that_is_told() -> None:
    let_go: list[str] = []

    async def errand() -> None:
        try:
            await in_task()
        finally:
            let_go.append("its resources")

    assert isinstance(begun(Errands(seconds=SECONDS), errand()).error, trio.RunFinishedError)
    async with running() as errands:
        pass
    assert isinstance(begun(errands, errand()).error, trio.RunFinishedError)
    assert let_go == ["its resources"] * 2


async def test_the_end_cancels_tasks_and_nothing_is_left_over() -> None:
    cancelled: list[str] = []

    async def errand() -> None:
        await in_task()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append("yes")

    async with running() as errands:
        before = tasks()
        ended = begun(errands, errand())
        await wait_all_tasks_blocked()
    assert cancelled == ["yes"]
    assert ended.told == []
    assert tasks() < before


async def test_what_nobody_answers_is_let_go_with_the_errands() -> None:
    class Held:
        """Something that an errand holds."""

    async def errand(held: Held) -> None:
        await Reply[int]().within(SECONDS)
        del held

    held = Held()
    is_held = weakref.ref(held)
    async with running() as errands:
        begun(errands, errand(held))
    del held, errands
    gc.collect()
    assert is_held() is None
