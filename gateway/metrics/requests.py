"""What the HTTP door has answered, by route, never by path: a client cannot make a new series."""

from collections import Counter

from gateway.metrics.buckets import REQUEST_SECONDS
from gateway.metrics.distribution import Distribution

UNMATCHED = "unmatched"
"""The route of a request for which there is none."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "other"


class RequestTally:
    """Requests under way, answered and refused."""

    def __init__(self) -> None:
        """Start with none."""
        self.in_flight = 0
        self.took: dict[tuple[str, str, str], Distribution] = {}
        """By route, method and class of the status (``2xx``)."""
        self.refused: Counter[tuple[str, str]] = Counter()
        """By route and problem code."""

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answer that took ``seconds`` from its head to the head of the answer."""
        known = method if method in METHODS else OTHER_METHOD
        key = (route, known, f"{status // 100}xx")
        found = self.took.get(key)
        if found is None:
            found = self.took[key] = Distribution(REQUEST_SECONDS)
        found.record(seconds)
