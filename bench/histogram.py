"""Latencies in an HDR histogram: three digits from a microsecond to an hour, and mergeable."""

from collections import Counter
from dataclasses import dataclass
from typing import Self

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

MICROSECONDS_MAX = 3_600_000_000
DIGITS = 3
PERCENTILES = (
    *(float(whole) for whole in range(5, 95, 5)),
    *(95.0, 97.5, 99.0, 99.5, 99.75, 99.9, 99.95, 99.99, 100.0),
)
"""Where a curve is drawn; those that the number of samples cannot tell apart are left out."""


@dataclass(frozen=True)
class Latency:
    """What a histogram says, in milliseconds."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    curve: list[tuple[float, float]]
    """Pairs of (percentile, ms)."""
    hdr: str
    """The whole histogram in microseconds, as HdrHistogram encodes it (V2, base64)."""


class Histogram:
    """Counts latencies. Values are gathered first, since the histogram itself is slow to add to."""

    def __init__(self) -> None:
        self._hdr = HdrHistogram(1, MICROSECONDS_MAX, DIGITS)
        self._gathered: Counter[int] = Counter()

    @classmethod
    def decoded(cls, text: str) -> Self:
        """Return the histogram that :attr:`Latency.hdr` holds."""
        found = cls()
        found._hdr = HdrHistogram.decode(text)
        return found

    def record(self, seconds: float) -> None:
        """Count one latency. Time does not run backwards: a negative one is a fault of ours."""
        assert seconds >= 0, f"an answer {-seconds} s before its question"
        self._gathered[int(seconds * 1e6)] += 1

    def add(self, other: "Histogram") -> None:
        """Count what ``other`` has counted too."""
        self._hdr.add(other.hdr)

    @property
    def hdr(self) -> HdrHistogram:
        """The histogram with everything in it."""
        gathered, self._gathered = self._gathered, Counter()
        for microseconds, times in gathered.items():
            taken = self._hdr.record_value(microseconds, times)
            assert taken, f"{microseconds} µs does not fit the histogram"
        return self._hdr

    @property
    def count(self) -> int:
        return int(self.hdr.get_total_count())

    def slower_than(self, seconds: float) -> int:
        """Return how many latencies were ``seconds`` or more, as exactly as the digits allow."""
        hdr = self.hdr
        bound = hdr.get_counts_array_index(int(seconds * 1e6))
        faster = sum(int(hdr.get_count_at_index(at)) for at in range(bound))
        return self.count - faster

    def ms(self, *percentiles: float) -> list[float]:
        """Return the latencies, in ms, that these shares (0 to 100) do not exceed."""
        found = self.hdr.get_percentile_to_value_dict(list(percentiles))
        return [round(found[percentile] / 1000, 3) for percentile in percentiles]

    def latency(self) -> Latency | None:
        """Return what is to be kept of the histogram; ``None`` if nothing was counted."""
        count = self.count
        if not count:
            return None
        told = [at for at in PERCENTILES if at == 100.0 or count * (100.0 - at) >= 100.0]
        curve = list(zip(told, self.ms(*told), strict=True))
        p50, p90, p99, p999, longest = self.ms(50.0, 90.0, 99.0, 99.9, 100.0)
        return Latency(count, p50, p90, p99, p999, longest, curve, self._encoded())

    def _encoded(self) -> str:
        encoded: bytes = self.hdr.encode()
        return encoded.decode("ascii")
