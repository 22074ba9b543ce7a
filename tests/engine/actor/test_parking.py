"""A stream that fails again and again is let alone; everybody else goes on."""

import logging

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.actor.outcome import Accepted, Answer, Query
from engine.actor.parking import Parking
from engine.errors import (
    ActorStoppedError,
    ConflictError,
    ConversationParkedError,
    OutcomeUnknownError,
)
from engine.limits import (
    ASK_SECONDS,
    FAILURES_BEFORE_PARKING,
    PARKED_SECONDS_MAX,
    PARKED_SECONDS_MIN,
    TROUBLED_STREAMS_MAX,
)
from tests.support.tallies import Count, Tallies, TallyState, tally, tallying

POISON = Count("x", fails=True)


def length_of(state: TallyState) -> int:
    return len(state.texts)


async def fail(tallies: Tallies, times: int = FAILURES_BEFORE_PARKING) -> None:
    for _ in range(times):
        with pytest.raises(ActorStoppedError):
            await tallies.ask(POISON)


async def assert_parked(tallies: Tallies, seconds: float) -> None:
    """Expect a refusal that says to come again after so many seconds."""
    with pytest.raises(ConversationParkedError) as refused:
        await tallies.ask(Count("y"))
    assert refused.value.retry_after_s == pytest.approx(seconds)


async def test_a_stream_is_parked_after_so_many_failures_in_a_row(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        await fail(tallies, FAILURES_BEFORE_PARKING - 1)
        assert tallies.registry.statistics().parked == 0
        with caplog.at_level(logging.ERROR, "parley.actor"):
            await fail(tallies, 1)
        assert "is parked: 2 s" in caplog.text
        assert tallies.registry.statistics().parked == 1
        await assert_parked(tallies, PARKED_SECONDS_MIN)
        autojump_clock.jump(PARKED_SECONDS_MIN / 2)
        await assert_parked(tallies, PARKED_SECONDS_MIN / 2)


async def test_a_parked_stream_is_not_even_replayed_and_the_others_go_on() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        await fail(tallies)
        tallies.log.pages_read = 0
        for _ in range(100):
            with pytest.raises(ConversationParkedError):
                await tallies.ask(Query(length_of))
        assert tallies.log.pages_read == 0
        assert isinstance(await tallies.ask(Count("b"), name="b"), Accepted)


async def test_what_is_let_through_and_goes_well_forgets_everything(
    autojump_clock: MockClock,
) -> None:
    async with tallying() as tallies:
        await fail(tallies)
        autojump_clock.jump(PARKED_SECONDS_MIN)
        assert isinstance(await tallies.ask(Count("b")), Accepted)
        assert tallies.registry.statistics().parked == 0
        await fail(tallies, FAILURES_BEFORE_PARKING - 1)
        assert isinstance(await tallies.ask(Count("c")), Accepted)


async def test_even_a_refusal_shows_that_it_is_well(autojump_clock: MockClock) -> None:
    async with tallying() as tallies:
        await fail(tallies)
        autojump_clock.jump(PARKED_SECONDS_MIN)
        with pytest.raises(ConflictError):
            await tallies.ask(Count("b", expected_version=7))
        assert isinstance(await tallies.ask(Count("c")), Accepted)


async def test_a_question_that_is_let_through_decides_nothing(autojump_clock: MockClock) -> None:
    async with tallying() as tallies:
        await fail(tallies)
        autojump_clock.jump(PARKED_SECONDS_MIN)
        assert await tallies.ask(Query(length_of)) == Answer(0)
        assert tallies.registry.statistics().parked == 1
        with pytest.raises(ActorStoppedError):
            await tallies.ask(POISON)
        await assert_parked(tallies, PARKED_SECONDS_MIN * 2)


async def test_questions_in_between_do_not_hide_what_fails() -> None:
    async with tallying() as tallies:
        for _ in range(FAILURES_BEFORE_PARKING):
            await fail(tallies, 1)
            if tallies.registry.statistics().parked == 0:
                await tallies.ask(Query(length_of))
        with pytest.raises(ConversationParkedError):
            await tallies.ask(Count("y"))


async def test_each_failure_on_trial_doubles_the_time_up_to_a_bound(
    autojump_clock: MockClock,
) -> None:
    async with tallying() as tallies:
        await fail(tallies)
        pause = PARKED_SECONDS_MIN
        for _ in range(12):
            await assert_parked(tallies, pause)
            autojump_clock.jump(pause)
            await fail(tallies, 1)
            pause = min(pause * 2, PARKED_SECONDS_MAX)
        await assert_parked(tallies, PARKED_SECONDS_MAX)


async def test_only_one_is_let_through_at_a_time(autojump_clock: MockClock) -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        await fail(tallies)
        autojump_clock.jump(PARKED_SECONDS_MIN)
        trial = tallies.tell(Count("b"))
        await assert_parked(tallies, ASK_SECONDS)
        await wait_all_tasks_blocked()
        assert trial.versions == [2]


def test_a_trial_that_nobody_hears_of_is_followed_by_another() -> None:
    now = 0.0
    parking = Parking(lambda: now)
    for _ in range(FAILURES_BEFORE_PARKING):
        parking.failed(tally())
    now += PARKED_SECONDS_MIN
    parking.admit(tally(), is_question=False)
    now += ASK_SECONDS
    parking.admit(tally(), is_question=False)


def test_the_streams_in_trouble_are_bounded() -> None:
    parking = Parking(lambda: 0.0)
    for number in range(TROUBLED_STREAMS_MAX + 10):
        parking.failed(tally(str(number)), times=FAILURES_BEFORE_PARKING)
    assert parking.parked() == TROUBLED_STREAMS_MAX
    parking.admit(tally("0"), is_question=False)
    with pytest.raises(ConversationParkedError):
        parking.admit(tally(str(TROUBLED_STREAMS_MAX)), is_question=False)


async def test_an_actor_that_waits_for_ever_keeps_nobody_else(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: object) -> None:
        await trio.sleep_forever()

    async with tallying() as tallies:
        await tallies.ask(Count("b"), name="b")
        monkeypatch.setattr(tallies.store.subject_keys, "put_absent", never)
        began = autojump_clock.current_time()
        stuck = [tallies.tell(Count("x", subject="nobody"), name=f"stuck {n}") for n in range(50)]
        assert isinstance(await tallies.ask(Count("c"), name="b"), Accepted)
        assert autojump_clock.current_time() == began
        with pytest.raises(OutcomeUnknownError):
            await tallies.ask(Count("y"), name="stuck 0")
        assert all(asked.answer is None for asked in stuck)
    assert all(isinstance(asked.answer, ActorStoppedError) for asked in stuck)
