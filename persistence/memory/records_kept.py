"""What a log in memory keeps, apart from who reads and writes it."""

from msgspec.structs import replace

from persistence.records import StoredRecord, Stream, new_epoch


class KeptRecords:
    """The committed records of one environment, by position, by stream and by event."""

    def __init__(self) -> None:
        """Start an empty log with an epoch of its own."""
        self.epoch = new_epoch()
        self.by_position: list[StoredRecord] = []
        self.by_event: dict[bytes, StoredRecord] = {}
        self._by_stream: dict[Stream, list[StoredRecord]] = {}
        self._by_about: dict[bytes, list[StoredRecord]] = {}
        self._withdrawn_at: dict[bytes, int] = {}

    def of(self, stream: Stream) -> list[StoredRecord]:
        """Return the records of ``stream`` in version order."""
        return self._by_stream.get(stream, [])

    def about(self, event_id: bytes) -> list[StoredRecord]:
        """Return the records that are about an event, in position order."""
        return self._by_about.get(event_id, [])

    def seen(self, record: StoredRecord) -> StoredRecord:
        """Return ``record`` as a reader gets it now: it may have become outdated."""
        thing = record.about or record.event_id
        later = self.about(thing)
        return replace(
            record,
            outdated=bool(later) and later[-1].position > record.position,
            withdrawn=self._withdrawn_at.get(thing, 0) > record.position,
        )

    def add(self, records: tuple[StoredRecord, ...], withdrawing: frozenset[int]) -> None:
        """Keep ``records``, whose numbers follow the last ones; some positions withdraw."""
        for record in records:
            if record.about is not None and record.position in withdrawing:
                self._withdrawn_at[record.about] = record.position
            stored = replace(record, note=None)
            self.by_position.append(stored)
            self.by_event[record.event_id] = stored
            self._by_stream.setdefault(record.stream, []).append(stored)
            if record.about is not None:
                self._by_about.setdefault(record.about, []).append(stored)
