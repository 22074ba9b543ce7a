"""How long commits took is read off the histogram that a server exposes."""

import pytest

from bench.court.commits import BUCKET, commit_figures, quantile
from gateway.metrics.buckets import COMMIT_SECONDS
from gateway.metrics.table import METRICS

NAME = "parley_log_commit_seconds"


def exposed(*counts: float) -> str:
    """Return an exposition with so many commits below each bound, the last one infinite."""
    bounds = ["0.001", "0.002", "+Inf"]
    lines = [
        f'{NAME}_bucket{{environment="test",le="{bound}"}} {count}'
        for bound, count in zip(bounds, counts, strict=True)
    ]
    other = f'{NAME}_bucket{{environment="workspace",le="0.001"}} 99.0'
    return "\n".join(["# HELP a b", other, *lines, f'{NAME}_count{{environment="test"}} 9.0', ""])


def test_a_percentile_lies_between_the_bounds_of_its_bucket() -> None:
    assert commit_figures(exposed(100.0, 200.0, 200.0)) == {
        "commit_us.p50": 1000.0,
        "commit_us.p99": 1980.0,
    }


def test_a_percentile_beyond_the_last_bound_is_not_made_up() -> None:
    assert commit_figures(exposed(90.0, 90.0, 100.0)) == {"commit_us.p50": 555.6}


def test_no_commits_are_no_figures() -> None:
    assert commit_figures(exposed(0.0, 0.0, 0.0)) == {}
    assert commit_figures("") == {}


@pytest.mark.parametrize(("share", "value"), [(0.0, 0.5), (0.1, 1.0), (0.55, 1.5), (1.0, 2.0)])
def test_a_quantile_passes_empty_buckets_by(share: float, value: float) -> None:
    buckets = [(0.5, 0.0), (1.0, 10.0), (2.0, 100.0), (4.0, 100.0)]
    assert quantile(buckets, share) == value


def test_the_histogram_is_one_that_parley_has() -> None:
    [metric] = [metric for metric in METRICS if metric.name == NAME]
    assert metric.labels == ("environment",)
    assert BUCKET.findall(f'{NAME}_bucket{{environment="test",le="{COMMIT_SECONDS[0]}"}} 3.0')
