"""A command that wrote nothing is known again by its key, as long as its actor lives."""

import pytest
from trio.testing import wait_all_tasks_blocked

from engine.actor.outcome import Accepted, Replayed
from engine.errors import IdempotencyInProgressError, IdempotencyMismatchError, ParleyError
from engine.limits import COMMAND_KEY_SECONDS
from tests.support.tallies import Count, key, tallying


async def test_a_repeated_command_that_wrote_nothing_writes_nothing_later() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        assert await tallies.ask(Count("b", times=0), key("k")) == Accepted(())
        await tallies.ask(Count("c"))
        assert await tallies.ask(Count("b", times=1), key("k")) == Replayed(1)
        assert await tallies.texts() == ["a", "c"]


async def test_its_key_is_refused_with_another_body() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        await tallies.ask(Count("b", times=0), key("k"))
        with pytest.raises(IdempotencyMismatchError):
            await tallies.ask(Count("b"), key("k", "another body"))


async def test_its_key_is_forgotten_after_a_day() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        await tallies.ask(Count("b", times=0), key("k"))
        tallies.now_ms += 1_000 * COMMAND_KEY_SECONDS + 1
        assert isinstance(await tallies.ask(Count("b"), key("k")), Accepted)
        assert await tallies.texts() == ["a", "b"]


async def test_a_command_without_a_key_is_carried_out_each_time() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a", times=0))
        assert isinstance(await tallies.ask(Count("a")), Accepted)
        assert await tallies.texts() == ["a"]


@pytest.mark.parametrize("failing", [False, True], ids=["commits", "fails"])
async def test_what_it_rests_on_must_be_on_disk_before_it_is_answered_again(
    failing: bool,  # noqa: FBT001
) -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("warm"))
        tallies.disk.hold()
        tallies.tell(Count("a"))
        await tallies.disk.wait_held()
        nothing = tallies.tell(Count("b", times=0), key("k"))
        again = tallies.tell(Count("b"), key("k"))
        await wait_all_tasks_blocked()
        assert nothing.answers == []
        (refusal,) = again.answers
        assert isinstance(refusal, IdempotencyInProgressError)
        tallies.disk.release(failing=failing)
        await wait_all_tasks_blocked()
        assert isinstance(nothing.answer, ParleyError if failing else Accepted)
        outcome = await tallies.ask(Count("b"), key("k"))
        assert isinstance(outcome, Accepted if failing else Replayed)
        assert await tallies.texts() == (["warm", "b"] if failing else ["warm", "a"])
