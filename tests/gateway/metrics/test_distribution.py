"""Counting values in buckets, against the histogram of the Prometheus library."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from gateway.metrics.distribution import Distribution

BOUNDS = (0.001, 0.25, 1.0, 4.0)


@given(st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(0, 10))))
def test_values_are_counted_as_the_library_counts_them(values: list[float]) -> None:
    registry = CollectorRegistry()
    theirs = Histogram("x", "x", buckets=BOUNDS, registry=registry)
    ours = Distribution(BOUNDS)
    for value in values:
        theirs.observe(value)
        ours.record(value)
    for bound, count in ours.cumulative():
        le = "+Inf" if bound == float("inf") else str(bound)
        assert registry.get_sample_value("x_bucket", {"le": le}) == count
    assert registry.get_sample_value("x_count") == ours.count
    assert registry.get_sample_value("x_sum") == ours.sum
