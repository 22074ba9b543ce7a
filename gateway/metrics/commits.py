"""What the logs have committed, by the kind of environment: no tenant is told apart."""

from gateway.metrics.buckets import COMMIT_RECORDS, COMMIT_SECONDS
from gateway.metrics.distribution import Distribution


class Commits:
    """The commits of all logs of one kind of environment."""

    def __init__(self) -> None:
        """Start with none."""
        self.seconds = Distribution(COMMIT_SECONDS)
        self.records = Distribution(COMMIT_RECORDS)
        self.failed = 0

    def ended(self, records: int, seconds: float, *, succeeded: bool) -> None:
        """Count a commit of ``records`` that was answered by the disk after ``seconds``."""
        if succeeded:
            self.seconds.record(seconds)
            self.records.record(records)
        else:
            self.failed += 1


class CommitTally:
    """The commits of this node."""

    def __init__(self) -> None:
        """Start with none."""
        self.by_environment: dict[str, Commits] = {}

    def of(self, environment: str) -> Commits:
        """Return where the commits of ``live``, ``test`` or ``workspace`` are counted."""
        return self.by_environment.setdefault(environment, Commits())
