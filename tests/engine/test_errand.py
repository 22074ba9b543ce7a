"""Coroutines that are carried by hand: to a reply, and to their end, without a task."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.errand import Errands, Reply
from tests.engine.errands import SECONDS, OddError, begun, running, tasks


async def test_what_waits_for_nothing_is_done_before_begin_returns() -> None:
    async def errand() -> int:
        return 7

    assert begun(Errands(seconds=SECONDS), errand()).result == 7


async def test_a_failure_is_handed_to_who_began_it() -> None:
    async def errand() -> None:
        raise OddError

    assert isinstance(begun(Errands(seconds=SECONDS), errand()).error, OddError)


async def test_it_waits_for_a_reply_without_a_task_and_goes_on_within_the_giving() -> None:
    async with running() as errands:
        before, reply = tasks(), Reply[str]()

        async def errand() -> str:
            return f"got {await reply.within(SECONDS)}"

        ended = begun(errands, errand())
        assert (ended.told, len(errands), tasks()) == ([], 1, before)
        reply.give("it")
        assert ended.result == "got it"
        assert len(errands) == 0


async def test_a_reply_that_is_there_is_not_waited_for() -> None:
    reply = Reply[str]()
    reply.give("first")
    reply.give("second")

    async def errand() -> list[str | None]:
        return [await reply.within(SECONDS), await reply.given()]

    assert begun(Errands(seconds=SECONDS), errand()).result == ["first", "first"]
    assert [await reply.within(0), await reply.given()] == ["first", "first"]


async def test_a_task_may_wait_for_a_reply_too(autojump_clock: MockClock) -> None:
    timed, untimed, late = Reply[str](), Reply[str](), Reply[str]()
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            assert await timed.within(SECONDS) == "timed"
            assert await untimed.given() == "untimed"
            assert await late.within(SECONDS) is None

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        timed.give("timed")
        await wait_all_tasks_blocked()
        untimed.give("untimed")
    assert autojump_clock.current_time() == pytest.approx(SECONDS)
    late.give("nobody waits any more")


async def test_a_reply_that_does_not_come_in_time_is_none(autojump_clock: MockClock) -> None:
    async with running() as errands:
        ended = begun(errands, Reply[str]().within(SECONDS))
        later = SECONDS / 2
        await trio.sleep(later)
        second = begun(errands, Reply[str]().within(SECONDS))
        with trio.move_on_at(SECONDS * 0.99):
            await trio.sleep_forever()
        assert ended.told == []
        await trio.sleep(SECONDS / 4)
        assert ended.result is None
        assert second.told == []
        await trio.sleep(SECONDS / 2)
        assert second.result is None
        assert len(errands) == 0
    assert autojump_clock.current_time() <= SECONDS * 2


async def test_a_reply_that_comes_too_late_does_not_answer_the_next_question(
    autojump_clock: MockClock,
) -> None:
    async with running() as errands:
        first, second = Reply[str](), Reply[str]()

        async def errand() -> tuple[str | None, str | None]:
            return await first.within(SECONDS), await second.within(SECONDS)

        ended = begun(errands, errand())
        later = SECONDS * 1.25
        await trio.sleep(later)
        first.give("too late")
        assert ended.told == []
        assert len(errands) == 1
        second.give("in time")
        assert ended.result == (None, "in time")
    assert autojump_clock.current_time() == pytest.approx(later)


async def test_a_wait_without_a_time_lasts_as_long_as_it_takes(autojump_clock: MockClock) -> None:
    async with running() as errands:
        reply = Reply[str]()
        ended = begun(errands, reply.given())
        later = SECONDS * 10
        await trio.sleep(later)
        assert (ended.told, len(errands)) == ([], 0)
        reply.give("at last")
        assert ended.result == "at last"
    assert autojump_clock.current_time() == pytest.approx(later)
