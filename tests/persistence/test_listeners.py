"""Listeners of a feed: each is told, whatever one of them raises."""

import pytest

from persistence.listeners import Listeners
from persistence.records import StoredRecord
from tests.support.tallies import tally

BATCH = (StoredRecord(1, tally(), 1, b"", b""),)


def test_a_listener_that_raises_keeps_no_other_from_hearing() -> None:
    listeners, heard = Listeners(), list[StoredRecord]()

    def fail(records: tuple[StoredRecord, ...]) -> None:
        raise LookupError(len(records))

    listeners.listen(fail)
    listeners.listen(heard.extend)
    with pytest.raises(LookupError):
        listeners.tell(BATCH)
    assert tuple(heard) == BATCH
