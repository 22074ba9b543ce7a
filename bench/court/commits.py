"""How long commits took, by the histogram that a server of ours exposes. Pure."""

import re
from itertools import pairwise

BUCKET = re.compile(
    r'^parley_log_commit_seconds_bucket\{environment="test",le="([^"]+)"\} (\S+)$', re.MULTILINE
)
MICROSECONDS = 1_000_000


def commit_figures(exposition: str) -> dict[str, float]:
    """Return p50 and p99 of a commit in µs, read off between the bounds of the buckets.

    Nothing is returned if there were no commits, or of a percentile beyond the last bound.
    """
    buckets = [(float(bound), float(count)) for bound, count in BUCKET.findall(exposition)]
    found = {name: quantile(buckets, share) for name, share in (("p50", 0.5), ("p99", 0.99))}
    return {
        f"commit_us.{name}": round(seconds * MICROSECONDS, 1)
        for name, seconds in found.items()
        if seconds is not None
    }


def quantile(buckets: list[tuple[float, float]], share: float) -> float | None:
    """Return the value that ``share`` of a cumulative histogram does not exceed.

    Args:
        buckets: (upper bound, how many do not exceed it), rising; the last bound is infinite.
        share: from 0 to 1.
    """
    if not buckets or not buckets[-1][1]:
        return None
    wanted = share * buckets[-1][1]
    for (low, below), (high, count) in pairwise([(0.0, 0.0), *buckets]):
        if count >= wanted and count > below:
            within = (wanted - below) / (count - below)
            return None if high == float("inf") else low + (high - low) * within
    return None
