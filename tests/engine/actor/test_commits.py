"""Nothing is answered before the commit it rests on."""

import trio
from trio.testing import wait_all_tasks_blocked

from engine.actor.outcome import Accepted, Answer, Query, Replayed
from engine.errors import (
    ActorStoppedError,
    ConflictError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    OutcomeUnknownError,
    StorageError,
)
from engine.limits import TURN_COMMANDS_MAX
from tests.support.disks import MemoryDisk
from tests.support.tallies import Asked, Count, Tallies, TallyState, key, tallying


def texts_of(state: TallyState) -> list[str]:
    return list(state.texts)


async def held(tallies: Tallies, *commands: Count) -> list[Asked]:
    """Tell ``commands`` and return when their commit waits at the gate."""
    await warm(tallies)
    tallies.disk.hold()
    asked = [tallies.tell(command) for command in commands]
    await tallies.disk.wait_held()
    await wait_all_tasks_blocked()
    return asked


async def warm(tallies: Tallies) -> None:
    """Start the actor and open the key it seals with, so that it waits for nothing but commits."""
    await tallies.ask(Count("warm", times=0))
    await tallies.keyring.ensure({"somebody"})


async def test_a_command_is_answered_only_when_it_is_on_disk() -> None:
    async with tallying() as tallies:
        (asked,) = await held(tallies, Count("a"))
        assert asked.answer is None
        assert await tallies.texts() == []
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert asked.versions == [1]
        assert await tallies.texts() == ["a"]


async def test_the_events_of_one_command_are_answered_together() -> None:
    async with tallying() as tallies:
        answer = await tallies.ask(Count("a", times=3), key("k"))
        assert isinstance(answer, Accepted)
        assert [event.version for event in answer.events] == [1, 2, 3]
        assert [event.position for event in answer.events] == [1, 2, 3]
        keys = [event.command_key for event in answer.events]
        assert keys == [None, None, key("k").command_key]


async def test_a_burst_is_one_submit() -> None:
    async with tallying() as tallies:
        await warm(tallies)
        asked = [tallies.tell(Count(str(number))) for number in range(TURN_COMMANDS_MAX)]
        await wait_all_tasks_blocked()
        assert tallies.log.submits == [TURN_COMMANDS_MAX]
        assert [one.versions for one in asked] == [[n] for n in range(1, TURN_COMMANDS_MAX + 1)]


async def test_a_longer_burst_is_a_submit_a_turn_and_stays_in_order() -> None:
    async with tallying() as tallies:
        await warm(tallies)
        asked = [tallies.tell(Count(str(number))) for number in range(2 * TURN_COMMANDS_MAX + 1)]
        await wait_all_tasks_blocked()
        assert tallies.log.submits == [TURN_COMMANDS_MAX, TURN_COMMANDS_MAX, 1]
        assert [one.versions for one in asked] == [[n + 1] for n in range(len(asked))]
        assert await tallies.texts() == [str(number) for number in range(len(asked))]


async def test_refusals_and_queries_that_saw_unconfirmed_events_wait_for_them() -> None:
    async with tallying() as tallies:
        await held(tallies, Count("a"))
        refused = tallies.tell(Count("b", expected_version=0))
        question = tallies.tell(Query(texts_of))
        await wait_all_tasks_blocked()
        assert (refused.answer, question.answer) == (None, None)
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert isinstance(refused.answer, ConflictError)
        assert question.answer == Answer(["a"])


async def test_refusals_and_queries_that_rest_on_the_disk_alone_are_answered_at_once() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        tallies.disk.hold()
        other = tallies.tell(Count("b"), name="b")
        refused = tallies.tell(Count("b", expected_version=0))
        question = tallies.tell(Query(texts_of))
        await tallies.disk.wait_held()
        await wait_all_tasks_blocked()
        assert isinstance(refused.answer, ConflictError)
        assert question.answer == Answer(["a"])
        assert other.answer is None


async def test_what_is_decided_while_a_commit_waits_counts_on_it() -> None:
    async with tallying() as tallies:
        (first,) = await held(tallies, Count("a"))
        second = tallies.tell(Count("b", expected_version=1))
        await wait_all_tasks_blocked()
        assert tallies.log.submits == [1, 1]
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert (first.versions, second.versions) == ([1], [2])


async def test_a_failed_commit_is_told_to_all_that_rested_on_it() -> None:
    async with tallying() as tallies:
        (lost,) = await held(tallies, Count("lost"))
        behind = tallies.tell(Count("behind"))
        question = tallies.tell(Query(texts_of))
        await wait_all_tasks_blocked()
        tallies.disk.release(failing=True)
        await wait_all_tasks_blocked()
        assert isinstance(lost.answer, OutcomeUnknownError)
        assert isinstance(behind.answer, StorageError)
        assert isinstance(question.answer, StorageError)
        assert await tallies.texts() == []


async def test_after_a_failed_commit_the_next_command_is_decided_on_what_is_on_disk() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        (lost,) = await held(tallies, Count("lost"))
        tallies.disk.release(failing=True)
        await wait_all_tasks_blocked()
        assert isinstance(lost.answer, OutcomeUnknownError)
        again = await tallies.ask(Count("b", expected_version=1))
        assert isinstance(again, Accepted)
        assert await tallies.texts() == ["a", "b"]
        assert await tallies.ask(Query(texts_of)) == Answer(["a", "b"])


async def test_a_repeated_key_gives_the_same_event_and_writes_nothing() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("first"))
        await tallies.ask(Count("a", times=2), key("k"))
        for _ in range(2):
            assert await tallies.ask(Count("a", times=2), key("k")) == Replayed(3)
        assert await tallies.texts() == ["first", "a", "a"]


async def test_a_repeated_key_is_answered_before_its_version_is_looked_at() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a", expected_version=0), key("k"))
        assert await tallies.ask(Count("a", expected_version=0), key("k")) == Replayed(1)


async def test_a_key_is_known_after_a_restart() -> None:
    disk = MemoryDisk()
    async with tallying(disk) as tallies:
        await tallies.ask(Count("a"), key("k"))
    async with tallying(disk) as tallies:
        assert await tallies.ask(Count("a"), key("k")) == Replayed(1)
        assert await tallies.texts() == ["a"]


async def test_a_key_with_another_body_is_refused() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"), key("k"))
        asked = tallies.tell(Count("b"), key("k", "other"))
        await wait_all_tasks_blocked()
        assert isinstance(asked.answer, IdempotencyMismatchError)
        assert await tallies.texts() == ["a"]


async def test_a_key_whose_first_command_still_commits_is_told_so_at_once() -> None:
    async with tallying() as tallies:
        await warm(tallies)
        tallies.disk.hold()
        first = tallies.tell(Count("a"), key("k"))
        await tallies.disk.wait_held()
        again = tallies.tell(Count("a"), key("k"))
        await wait_all_tasks_blocked()
        assert isinstance(again.answer, IdempotencyInProgressError)
        assert first.answer is None
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert first.versions == [1]
        assert await tallies.ask(Count("a"), key("k")) == Replayed(1)


async def test_a_key_whose_commit_failed_may_be_used_again() -> None:
    async with tallying() as tallies:
        await warm(tallies)
        tallies.disk.hold()
        lost = tallies.tell(Count("a"), key("k"))
        await tallies.disk.wait_held()
        tallies.disk.release(failing=True)
        await wait_all_tasks_blocked()
        assert isinstance(lost.answer, OutcomeUnknownError)
        assert isinstance(await tallies.ask(Count("a"), key("k")), Accepted)
        assert await tallies.texts() == ["a"]


async def test_a_fault_behind_a_commit_leaves_the_commit_its_answer() -> None:
    async with tallying() as tallies:
        (first,) = await held(tallies, Count("a"))
        broken = tallies.tell(Count("b", fails=True))
        await wait_all_tasks_blocked()
        assert isinstance(broken.answer, ActorStoppedError)
        assert first.answer is None
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert first.versions == [1]


async def test_a_stream_whose_old_actor_still_commits_is_never_written_twice() -> None:
    async with tallying() as tallies:
        (first,) = await held(tallies, Count("a"))
        tallies.tell(Count("b", fails=True))
        await wait_all_tasks_blocked()
        early = tallies.tell(Count("c", expected_version=0))
        await wait_all_tasks_blocked()
        assert early.answers == []
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert first.versions == [1]
        assert isinstance(early.answer, ConflictError)
        assert await tallies.texts() == ["a"]
        with trio.fail_after(5):
            assert isinstance(await tallies.ask(Count("d", expected_version=1)), Accepted)
