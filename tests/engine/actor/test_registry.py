"""Actors come, fail, go idle and come back; nobody is left without an answer."""

import logging

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.actor.outcome import Accepted, Answer, Envelope, Origin, Query
from engine.errors import (
    ActorStoppedError,
    BusyError,
    ConflictError,
    OutcomeUnknownError,
    ParleyError,
)
from engine.limits import ASK_SECONDS, MAILBOX_COMMANDS_MAX, TURN_COMMANDS_MAX
from tests.support.disks import MemoryDisk
from tests.support.tallies import Asked, Count, Tallies, TallyState, key, tally, tallying


def texts_of(state: TallyState) -> list[str]:
    return list(state.texts)


async def test_a_fault_in_the_rules_touches_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        await tallies.ask(Count("b"), name="b")
        with caplog.at_level(logging.ERROR, "parley.actor"):
            before, broken = tallies.tell(Count("before")), tallies.tell(Count("x", fails=True))
            behind, other = tallies.tell(Count("behind")), tallies.tell(Count("c"), name="b")
            await wait_all_tasks_blocked()
        for asked in (before, broken, behind):
            assert isinstance(asked.answer, ActorStoppedError)
        assert other.versions == [2]
        assert "an actor failed" in caplog.text
        assert await tallies.texts() == ["a"]


async def test_a_stream_works_again_after_a_fault() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"), key("k"))
        with pytest.raises(ActorStoppedError):
            await tallies.ask(Count("x", fails=True))
        assert isinstance(await tallies.ask(Count("b", expected_version=1)), Accepted)
        assert await tallies.texts() == ["a", "b"]


async def test_a_full_mailbox_refuses_and_loses_nothing() -> None:
    async with tallying() as tallies:
        asked = [tallies.tell(Count(str(number))) for number in range(MAILBOX_COMMANDS_MAX)]
        late = Asked()
        with pytest.raises(BusyError):
            tallies.registry.tell(tally(), Envelope(Count("late"), Origin("key_1"), late.reply))
        await wait_all_tasks_blocked()
        assert [one.versions for one in asked] == [[n + 1] for n in range(MAILBOX_COMMANDS_MAX)]
        assert late.answer is None
        assert isinstance(await tallies.ask(Count("later")), Accepted)
        assert len(await tallies.texts()) == MAILBOX_COMMANDS_MAX + 1


async def test_an_asker_that_leaves_leaves_a_consistent_actor() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        tallies.disk.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tallies.ask, Count("b"), key("k"))
            await tallies.disk.wait_held()
            nursery.cancel_scope.cancel()
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert await tallies.texts() == ["a", "b"]
        assert isinstance(await tallies.ask(Count("c", expected_version=2)), Accepted)


@pytest.mark.requirement("G6")
async def test_an_asker_is_told_after_a_while_that_the_outcome_is_unknown(
    autojump_clock: MockClock,
) -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        tallies.disk.hold()
        began = autojump_clock.current_time()
        with pytest.raises(OutcomeUnknownError):
            await tallies.ask(Count("b"), key("k"))
        assert autojump_clock.current_time() - began == pytest.approx(ASK_SECONDS)
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert await tallies.texts() == ["a", "b"]


async def test_idle_actors_are_let_go_and_come_back_with_what_they_knew() -> None:
    async with tallying(live_actors_max=3) as tallies:
        for number in range(10):
            await tallies.ask(Count(str(number)), key("k"), name=f"stream {number}")
            assert tallies.registry.live() <= 4
        for number in range(10):
            name = f"stream {number}"
            assert await tallies.ask(Query(texts_of), name=name) == Answer([str(number)])
            answer = await tallies.ask(Count(str(number)), key("k"), name=name)
            assert not isinstance(answer, Accepted), "the key was forgotten"


async def test_the_longest_unused_actor_is_let_go_first() -> None:
    async with tallying(live_actors_max=2) as tallies:
        for name in ("a", "b", "a", "c"):
            await tallies.ask(Count("x"), name=name)
        asked = [tallies.tell(Query(texts_of), name=name) for name in ("a", "c")]
        await tallies.ask(Count("y"), name="a")
        assert [one.answer for one in asked] == [Answer(["x", "x"]), Answer(["x"])]
        assert tallies.registry.live() == 2


async def test_actors_that_work_are_not_let_go() -> None:
    async with tallying(live_actors_max=1) as tallies:
        await tallies.keyring.ensure({"somebody"})
        tallies.disk.hold()
        asked = [tallies.tell(Count("x"), name=str(number)) for number in range(5)]
        await tallies.disk.wait_held()
        await wait_all_tasks_blocked()
        again = [tallies.tell(Count("y"), name=str(number)) for number in range(5)]
        await wait_all_tasks_blocked()
        tallies.disk.release()
        await wait_all_tasks_blocked()
        assert [one.versions for one in (*asked, *again)] == [[1]] * 5 + [[2]] * 5


async def test_actors_that_ended_take_up_no_room() -> None:
    async with tallying(live_actors_max=2) as tallies:
        for number in range(6):
            with pytest.raises(ActorStoppedError):
                await tallies.ask(Count("x", fails=True), name=f"broken {number}")
        await tallies.ask(Count("y"))
        assert tallies.registry.live() <= 3


async def test_a_missing_key_of_a_subject_loses_and_reorders_nothing() -> None:
    async with tallying() as tallies:
        subjects = ["ann", "bob", "ann", "cid", "bob", "dan"]
        asked = [tallies.tell(Count(who, subject=who)) for who in subjects]
        question = tallies.tell(Query(texts_of))
        await wait_all_tasks_blocked()
        assert [one.versions for one in asked] == [[n] for n in range(1, 7)]
        assert question.answer == Answer(subjects)
        assert await tallies.texts() == subjects


async def test_a_subjects_key_that_cannot_be_made_ends_the_actor_and_tells_its_askers() -> None:
    async with tallying() as tallies:
        unheard_of = "x" * 10_000
        broken, behind = tallies.tell(Count("a", subject=unheard_of)), tallies.tell(Count("b"))
        await wait_all_tasks_blocked()
        assert isinstance(broken.answer, ActorStoppedError)
        assert isinstance(behind.answer, ActorStoppedError)
        assert isinstance(await tallies.ask(Count("c")), Accepted)


async def test_a_registry_that_ends_tells_every_asker() -> None:
    disk = MemoryDisk()
    asked: list[Asked] = []
    async with tallying(disk) as tallies:
        await tallies.ask(Count("a"))
        disk.hold()
        asked.append(tallies.tell(Count("in flight")))
        await disk.wait_held()
        asked.append(tallies.tell(Count("behind it")))
        asked.append(tallies.tell(Query(texts_of)))
        await wait_all_tasks_blocked()
        asked.append(tallies.tell(Count("waiting"), name="new"))
    answers = [type(one.answer) for one in asked]
    assert answers == [Accepted, Accepted, Answer, ActorStoppedError]
    with pytest.raises(ActorStoppedError):
        tallies.tell(Count("too late"))


@pytest.mark.requirement("G4")
async def test_of_racing_writers_one_wins_each_version() -> None:
    writers, rounds = 32, 20
    won: dict[int, list[int]] = {version: [] for version in range(rounds)}
    lost = 0

    async def race(tallies: Tallies, writer: int, version: int) -> None:
        nonlocal lost
        try:
            await tallies.ask(Count(f"{writer}", expected_version=version))
        except ConflictError:
            lost += 1
        else:
            won[version].append(writer)

    async with tallying() as tallies:
        for version in range(rounds):
            async with trio.open_nursery() as nursery:
                for writer in range(writers):
                    nursery.start_soon(race, tallies, writer, version)
        assert [len(winners) for winners in won.values()] == [1] * rounds
        assert lost == (writers - 1) * rounds
        assert await tallies.texts() == [str(winners[0]) for winners in won.values()]


async def test_many_streams_share_the_loop_and_keep_their_own_order() -> None:
    async with tallying() as tallies:
        asked = {
            name: [tallies.tell(Count(str(number)), name=name) for number in range(100)]
            for name in "abcdefgh"
        }
        await wait_all_tasks_blocked()
        for name, told in asked.items():
            assert [one.versions for one in told] == [[n + 1] for n in range(100)]
            assert await tallies.texts(name) == [str(number) for number in range(100)]
        assert max(tallies.log.submits) <= TURN_COMMANDS_MAX


async def test_record_time_never_runs_backwards_over_all_streams() -> None:
    async with tallying() as tallies:
        for step in range(20):
            tallies.now_ms += step
            for name in ("a", "b", "c"):
                await tallies.ask(Count(str(step), subject=name), name=name)
        times = [event.time_ms for event in await tallies.log.read_feed(after=0)]
        assert len(times) == 60
        assert times == sorted(times)


async def test_a_refusal_is_the_same_for_ask_and_tell() -> None:
    async with tallying() as tallies:
        told = tallies.tell(Count("a", expected_version=9))
        with pytest.raises(ConflictError) as asked:
            await tallies.ask(Count("a", expected_version=9))
        assert isinstance(told.answer, ParleyError)
        assert told.answer.detail == asked.value.detail
