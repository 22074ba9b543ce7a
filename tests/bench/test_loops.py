"""An open loop keeps to its schedule whatever the server does."""

import time
from pathlib import Path

import pytest

from bench.correctness import Counts
from bench.figures import Load, Phase
from bench.load.loops import arrivals, closed_loop, open_loop
from bench.load.poller import Poller
from bench.measuring import Meter
from bench.scenario import climbed
from tests.bench.figured import phase


def test_arrivals_come_at_a_constant_rate() -> None:
    assert arrivals(start=10.0, per_s=4, seconds=1) == [10.0, 10.25, 10.5, 10.75]
    assert arrivals(start=0.0, per_s=0.1, seconds=1) == [0.0]


def test_everything_is_done_in_order_and_not_before_its_moment() -> None:
    done: list[tuple[float, float]] = []
    start = time.perf_counter()
    due = arrivals(start=start, per_s=1000, seconds=0.05)
    late = open_loop(
        Poller(),
        [(at, lambda intended: done.append((intended, time.perf_counter()))) for at in due],
        done=lambda: True,
        patience_s=1,
    )
    assert [intended for intended, _ in done] == due
    assert all(when >= intended for intended, when in done)
    assert late.count == len(due)


def test_a_generator_that_is_late_says_so_and_leaves_nothing_out() -> None:
    due = arrivals(start=time.perf_counter() - 1, per_s=100, seconds=0.1)
    done: list[float] = []
    late = open_loop(Poller(), [(at, done.append) for at in due], done=lambda: True, patience_s=1)
    assert done == due
    assert late.ms(100.0)[0] >= 1000


def test_a_closed_loop_gives_up_when_answers_stay_away() -> None:
    began = time.perf_counter()
    closed_loop(Poller(), lambda _: None, seconds=0.01, done=lambda: False, patience_s=0.02)
    assert time.perf_counter() - began >= 0.03


def metered(*, lag_s: float, load: Load) -> bool:
    """Say whether a load of a second, whose last answer came ``lag_s`` late, was kept up with."""
    meter = Meter(0, Path("unused"))
    meter.wall_s = 1.0
    for at in range(10):
        meter.answered(at / 10, at / 10 + lag_s)
    return meter.phase(load, Counts()).keeps_up


def test_a_queue_that_grows_is_not_kept_up_with() -> None:
    load = Load("open", per_s=10)
    assert metered(lag_s=0.2, load=load)
    assert not metered(lag_s=0.3, load=load)
    assert metered(lag_s=0.3, load=Load("closed", window=1))


def test_messages_that_are_far_apart_may_take_until_the_next() -> None:
    assert metered(lag_s=0.9, load=Load("open", per_s=1))


@pytest.mark.parametrize("fault", [phase(late=True), phase(counts=Counts(lost=1))])
def test_rates_climb_up_to_the_first_that_is_not_kept_up_with(fault: Phase) -> None:
    asked: list[float] = []

    def measure(per_s: float) -> Phase:
        asked.append(per_s)
        return fault if per_s == 20 else phase()

    assert len(climbed((10, 20, 40), measure)) == 2
    assert asked == [10, 20]
