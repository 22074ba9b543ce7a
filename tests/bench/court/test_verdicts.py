"""A claim is judged by what was measured side by side, and by nothing that went wrong."""

import pytest

from bench.court.record import WRONG
from bench.court.trial import HALF, Claim, Figure
from bench.court.verdicts import Outcome, figure_of, judge, spread
from tests.bench.court.recorded import OFF, OURS, THEIRS, cell, record

RATE = "deliveries_per_s"
TWICE = Claim("twice", Figure(RATE, OURS), floor=2, goal=3, over=Figure(RATE, THEIRS))


def test_a_ratio_is_taken_in_each_repetition_and_its_median_is_judged() -> None:
    cells = [cell(OURS, rate, repetition=at) for at, rate in enumerate((400, 100, 900), start=1)]
    cells += [cell(THEIRS, rate, repetition=at) for at, rate in enumerate((200, 10, 300), start=1)]
    verdict = judge(TWICE, record(*cells))
    assert verdict.spread is not None
    assert (verdict.spread.median, verdict.spread.least, verdict.spread.most) == (3, 2, 10)
    assert verdict.outcome is Outcome.GOAL
    assert verdict.why == ""


@pytest.mark.parametrize(
    ("rate", "outcome"),
    [
        (301, Outcome.GOAL),
        (300, Outcome.GOAL),
        (299, Outcome.FLOOR),
        (200, Outcome.FLOOR),
        (199, Outcome.MISSED),
    ],
)
def test_a_bound_that_is_just_reached_is_reached(rate: float, outcome: Outcome) -> None:
    found = record(cell(OURS, rate), cell(THEIRS, 100), repetitions=1)
    assert judge(TWICE, found).outcome is outcome


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [(5, Outcome.GOAL), (5.1, Outcome.FLOOR), (10, Outcome.FLOOR), (10.1, Outcome.MISSED)],
)
def test_where_less_is_better_a_bound_is_one_from_above(seconds: float, outcome: Outcome) -> None:
    claim = Claim("soon", Figure("storm_seconds", OURS), floor=10, goal=5, at_most=True)
    found = record(cell(OURS, storm_seconds=seconds), repetitions=1)
    assert judge(claim, found).outcome is outcome


def test_a_claim_without_a_goal_reaches_its_floor_and_no_more() -> None:
    claim = Claim("much", Figure(RATE, OURS), floor=1)
    assert judge(claim, record(cell(OURS, 1e9), repetitions=1)).outcome is Outcome.FLOOR


def test_one_figure_is_taken_away_before_another_divides() -> None:
    claim = Claim(
        "p99 above theirs in commits",
        Figure("latency_us.p99", OURS, HALF),
        floor=2,
        less=Figure("latency_us.p99", THEIRS, HALF),
        over=Figure("commit_us.p99", OURS, HALF),
        at_most=True,
        scale=10,
    )
    found = record(
        cell(OURS, pace="half", latency_us__p99=900, commit_us__p99=200),
        cell(THEIRS, pace="half", latency_us__p99=500),
        repetitions=1,
    )
    verdict = judge(claim, found)
    assert verdict.spread is not None
    assert verdict.spread.median == (900 - 500) / 200 * 10


def test_figures_of_another_pace_are_not_mixed_in() -> None:
    found = record(cell(OURS, 5, pace="half"), cell(OURS, 7), repetitions=1)
    half = figure_of(found, Figure(RATE, OURS, HALF))
    assert half is not None
    assert half.median == 5


@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize("party", [OURS, OFF])
def test_one_message_gone_wrong_in_one_of_our_cells_voids_the_claim(fault: str, party: str) -> None:
    claim = Claim("twice", Figure(RATE, party), floor=2, over=Figure(RATE, THEIRS))
    cells = [cell(name, 500, repetition=at) for name in (party, THEIRS) for at in (1, 2)]
    faulty = cell(party, 500, repetition=3)
    faulty.figures[fault] = 1
    verdict = judge(claim, record(*cells, faulty, cell(THEIRS, repetition=3)))
    assert verdict.outcome is Outcome.VOID
    assert verdict.spread is None
    assert fault in verdict.why


def test_a_cell_of_ours_that_failed_voids_the_claim_and_says_why() -> None:
    found = record(cell(OURS, failure="it fell over"), cell(THEIRS), repetitions=1)
    verdict = judge(TWICE, found)
    assert (verdict.outcome, "it fell over" in verdict.why) == (Outcome.VOID, True)


def test_a_lower_pace_is_void_with_the_full_one_that_it_is_a_share_of() -> None:
    claim = Claim("half", Figure(RATE, OURS, HALF), floor=1)
    found = record(cell(OURS, lost=1), cell(OURS, pace="half"), repetitions=1)
    assert judge(claim, found).outcome is Outcome.VOID
    assert judge(claim, record(cell(OURS, lost=1), repetitions=1)).outcome is Outcome.VOID


def test_a_void_cell_of_theirs_takes_its_repetition_out_and_is_told() -> None:
    cells = [cell(OURS, rate, repetition=at) for at, rate in enumerate((300, 600, 900), start=1)]
    cells += [cell(THEIRS, 100, repetition=1), cell(THEIRS, 1, repetition=2, lost=4)]
    cells += [cell(THEIRS, 100, repetition=3)]
    verdict = judge(TWICE, record(*cells))
    assert verdict.spread is not None
    assert (verdict.spread.least, verdict.spread.most, verdict.spread.count) == (3, 9, 2)
    assert verdict.why == "without 1 of 3 repetitions"


def test_a_claim_against_whom_nobody_could_measure_is_no_verdict() -> None:
    found = record(cell(OURS), missing={THEIRS: "npm ci failed with status 1"}, repetitions=1)
    verdict = judge(TWICE, found)
    assert verdict.outcome is Outcome.UNMEASURED
    assert verdict.why == "socket.io: npm ci failed with status 1"


def test_a_claim_on_a_figure_that_was_not_told_says_which() -> None:
    claim = Claim("memory", Figure("rss_per_conn_bytes", OURS), floor=1, at_most=True)
    verdict = judge(claim, record(cell(OURS), repetitions=1))
    assert verdict.outcome is Outcome.UNMEASURED
    assert verdict.why == "no rss_per_conn_bytes of Parley"


def test_a_peer_that_is_void_in_every_repetition_is_no_verdict_and_is_told() -> None:
    found = record(cell(OURS), cell(THEIRS, lost=2), repetitions=1)
    verdict = judge(TWICE, found)
    assert verdict.outcome is Outcome.UNMEASURED
    assert "2 lost" in verdict.why


def test_what_was_never_measured_side_by_side_is_not_compared() -> None:
    found = record(cell(OURS, repetition=1), cell(THEIRS, repetition=2), repetitions=2)
    verdict = judge(TWICE, found)
    assert verdict.outcome is Outcome.UNMEASURED
    assert verdict.why == "never all in one repetition"


def test_nothing_is_divided_by_nothing() -> None:
    found = record(cell(OURS), cell(THEIRS, 0), repetitions=1)
    assert judge(TWICE, found).outcome is Outcome.UNMEASURED


def test_nothing_has_no_spread() -> None:
    assert spread([]) is None
