"""An actor that ended is followed by one that knows all that was acknowledged, and no less."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.actor.outcome import Answer, Query, Replayed
from engine.errors import StorageError
from persistence.errors import StoreBusyError
from persistence.limits import DRAFTS_PER_WRITE_MAX
from persistence.records import StreamWrite
from tests.support.drafts import Heard, drafts, stream
from tests.support.tallies import Count, Tallies, TallyState, key, tallying

PATIENCE_SECONDS = 5


def texts_of(state: TallyState) -> list[str]:
    return list(state.texts)


def fill(tallies: Tallies) -> None:
    """Let other streams' records wait for the disk until no more are taken."""
    heard = Heard()
    size, at = DRAFTS_PER_WRITE_MAX, 0
    while size:
        try:
            write = StreamWrite(stream(f"other {at}"), 0, drafts(size))
            tallies.store.log.submit([write], heard.receipt("taken"))
        except StoreBusyError:
            size //= 2
        at += 1


async def ended_amid_its_commit(tallies: Tallies) -> None:
    """Tell a command whose commit waits, and end its actor by one that a full store refuses."""
    await tallies.ask(Count("warm", times=0))
    await tallies.keyring.ensure({"somebody"})
    tallies.disk.hold()
    first = tallies.tell(Count("a"), key("k"))
    await tallies.disk.wait_held()
    fill(tallies)
    refused = tallies.tell(Count("b"))
    await wait_all_tasks_blocked()
    assert isinstance(refused.answer, StorageError)
    assert first.answer is None


@pytest.mark.parametrize("failing", [False, True], ids=["commits", "fails"])
async def test_a_commit_in_flight_when_its_actor_ended_is_replayed(
    failing: bool,  # noqa: FBT001
) -> None:
    async with tallying() as tallies:
        await ended_amid_its_commit(tallies)
        question = tallies.tell(Query(texts_of))
        await wait_all_tasks_blocked()
        assert question.answers == []
        tallies.disk.release(failing=failing)
        await wait_all_tasks_blocked()
        known = [] if failing else ["a"]
        assert question.answer == Answer(known)
        assert await tallies.texts() == known


async def test_a_command_that_was_acknowledged_meanwhile_is_known_to_the_next_actor() -> None:
    async with tallying() as tallies:
        await ended_amid_its_commit(tallies)
        again = tallies.tell(Count("a"), key("k"))
        behind = tallies.tell(Count("c", expected_version=1))
        tallies.disk.release()
        with trio.fail_after(PATIENCE_SECONDS):
            assert await tallies.ask(Query(texts_of)) == Answer(["a", "c"])
        assert again.answer == Replayed(1)
        assert behind.versions == [2]
        assert await tallies.texts() == ["a", "c"]


async def test_an_actor_that_ended_amid_its_commit_is_not_forgotten_before_it() -> None:
    async with tallying(live_actors_max=1) as tallies:
        await ended_amid_its_commit(tallies)
        other = tallies.tell(Query(texts_of), name="other")
        await wait_all_tasks_blocked()
        assert other.answers == [Answer([])]
        question = tallies.tell(Query(texts_of))
        await wait_all_tasks_blocked()
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert question.answers == [Answer(["a"])]
