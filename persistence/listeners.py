"""Who hears of commits: the same for every backend."""

from collections.abc import Callable

from persistence.calls import call_each
from persistence.protocols.feed import OnCommitted
from persistence.records import StoredRecord


class Listeners:
    """The listeners of one feed, in the order they began."""

    def __init__(self) -> None:
        """Start without any."""
        self._told: dict[object, OnCommitted] = {}

    def listen(self, on_committed: OnCommitted) -> Callable[[], None]:
        """Call ``on_committed`` with every batch from now on; return what ends it."""
        key, told = object(), self._told

        def tell(records: tuple[StoredRecord, ...]) -> None:
            if key in told:  # else one before it has ended it, in this very batch
                on_committed(records)

        def unlisten() -> None:
            told.pop(key, None)

        told[key] = tell
        return unlisten

    def tell(self, records: tuple[StoredRecord, ...]) -> None:
        """Call every listener, even if one of them raises (``call_each``)."""
        call_each([(tell, records) for tell in self._told.values()])
