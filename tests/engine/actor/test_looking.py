"""What an asker looks at is the state right behind its own command, and it is on disk."""

import pytest
from trio.testing import wait_all_tasks_blocked

from engine.actor.outcome import Accepted, Envelope, Origin, Replayed
from engine.errors import ActorStoppedError, ConflictError
from tests.support.tallies import (
    TALLY,
    Asked,
    Count,
    Tallies,
    TallyState,
    event,
    key,
    tally,
    tallying,
)


def texts_of(state: TallyState) -> list[str]:
    return list(state.texts)


def tell(tallies: Tallies, command: Count, origin: Origin | None = None) -> Asked:
    asked = Asked()
    envelope = Envelope(command, origin or Origin("key_1"), asked.reply, look=texts_of)
    tallies.registry.tell(tally(), envelope)
    return asked


def seen_by(asked: Asked) -> object:
    assert isinstance(asked.answer, Accepted), asked.answer
    return asked.answer.seen


async def test_each_asker_sees_what_was_so_behind_its_own_command() -> None:
    async with tallying() as tallies:
        asked = [tell(tallies, Count(text, times=times)) for text, times in (("a", 2), ("b", 1))]
        blind = tallies.tell(Count("c"))
        await wait_all_tasks_blocked()
        assert [seen_by(one) for one in asked] == [["a", "a"], ["a", "a", "b"]]
        assert seen_by(blind) is None
        answer = await tallies.registry.ask(tally(), Count("d"), Origin("key_1"), look=texts_of)
        assert isinstance(answer, Accepted)
        assert answer.seen == ["a", "a", "b", "c", "d"]


async def test_a_command_that_writes_nothing_looks_too() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        asked = tell(tallies, Count("nothing", times=0))
        await wait_all_tasks_blocked()
        assert isinstance(asked.answer, Accepted)
        assert (asked.answer.events, asked.answer.seen) == ((), ["a"])


async def test_what_was_seen_is_told_behind_the_commit() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("warm"))
        tallies.disk.hold()
        first = tell(tallies, Count("a"))
        await tallies.disk.wait_held()
        second = tell(tallies, Count("nothing", times=0))
        await wait_all_tasks_blocked()
        assert (first.answer, second.answer) == (None, None)
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert (seen_by(first), seen_by(second)) == (["warm", "a"], ["warm", "a"])


async def test_nobody_looks_for_a_refused_or_a_repeated_command() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"), key("k"))
        again, refused = tell(tallies, Count("a"), key("k")), tell(tallies, Count("b", "s", 1, 9))
        await wait_all_tasks_blocked()
        assert again.answer == Replayed(1)
        assert isinstance(refused.answer, ConflictError)


async def test_a_fault_in_a_look_writes_nothing_and_the_stream_goes_on() -> None:
    def fault(state: TallyState) -> object:
        return state.texts[99]

    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        behind = Asked()
        with pytest.raises(ActorStoppedError):
            await tallies.registry.ask(tally(), Count("lost"), key("k"), look=fault)
        assert await tallies.texts() == ["a"]
        tallies.registry.tell(tally(), Envelope(Count("b"), key("k"), behind.reply))
        await wait_all_tasks_blocked()
        assert behind.versions == [2]
        assert await tallies.texts() == ["a", "b"]


def test_advancing_keeps_count_for_every_kind() -> None:
    state: TallyState = TALLY.initial("a")
    hidden = event(2, time_ms=7)
    hidden.visibility = 1
    for happened in (event(1, time_ms=5), hidden):
        TALLY.advance(state, happened)
    assert (state.name, state.texts) == ("a", ["1", "2"])
    assert (state.version, state.last_public_version, state.last_time_ms) == (2, 1, 7)
    assert [state.visible_version(staff=staff) for staff in (True, False)] == [2, 1]
