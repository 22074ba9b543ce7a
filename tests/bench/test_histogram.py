"""Latencies are counted, kept and merged without losing the slow ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.histogram import Histogram

PRECISION = 1 / 1000


def filled(*seconds: float) -> Histogram:
    histogram = Histogram()
    for one in seconds:
        histogram.record(one)
    return histogram


def test_percentiles_are_those_of_the_latencies() -> None:
    histogram = filled(*(ms / 1000 for ms in range(1, 1001)))
    assert histogram.ms(50.0, 99.0, 100.0) == pytest.approx([500, 990, 1000], rel=PRECISION)


@given(st.lists(st.floats(0, 3000), min_size=1, max_size=50))
def test_the_longest_latency_is_never_lost(seconds: list[float]) -> None:
    [longest] = filled(*seconds).ms(100.0)
    assert longest == pytest.approx(max(seconds) * 1000, rel=PRECISION, abs=0.002)


def test_two_histograms_together_are_that_of_all_latencies() -> None:
    one, other = filled(0.001, 0.002), filled(0.5)
    one.add(other)
    assert one.count == 3
    assert one.ms(100.0) == pytest.approx([500], rel=PRECISION)


def test_what_is_kept_of_a_histogram_can_be_read_again() -> None:
    kept = filled(0.001, 0.002, 0.003, 0.2).latency()
    assert kept is not None
    again = Histogram.decoded(kept.hdr)
    assert again.count == kept.count == 4
    assert again.ms(50.0, 100.0) == [kept.p50_ms, kept.max_ms]


def test_those_who_waited_long_are_counted() -> None:
    histogram = filled(0.01, 0.05, 0.099, 0.1, 0.101, 0.2)
    assert histogram.slower_than(0.1) == 3
    assert histogram.slower_than(1) == 0
    assert histogram.slower_than(0) == 6


def test_an_answer_before_its_question_is_refused() -> None:
    with pytest.raises(AssertionError, match="before its question"):
        filled(-0.001)


def test_a_curve_shows_no_percentile_that_so_few_latencies_cannot_tell() -> None:
    latency = filled(*(ms / 1000 for ms in range(1, 101))).latency()
    assert latency is not None
    told = [percentile for percentile, _ in latency.curve]
    assert told[-2:] == [99.0, 100.0]
    assert latency.curve == sorted(latency.curve)


def test_nothing_counted_is_nothing_to_keep() -> None:
    assert Histogram().latency() is None
