"""Connections that only read. Every read is a transaction of its own, so it sees what is committed.

Pages are read in worker threads. A page is one row of SQL: SQLite packs it without the interpreter
lock, which a busy loop would otherwise have to hand over once for every record (measured: 70 ms
instead of 8 for 256 records beside a loop that is never idle).
"""

import json
from pathlib import Path
from typing import Any

import apsw
import trio

from persistence.errors import StoreUnavailableError
from persistence.records import EVENT_ID_BYTES, StoredRecord, Stream
from persistence.sqlite.database import open_reader, rows, translated

PAGE_CONNECTIONS = 2
"""Pages that are read at the same time; further ones wait."""


WITHDRAWN = 2
"""What the statements say of a record that a later one withdraws; 1 = outdated, NULL = neither."""


class Readers:
    """One connection for single index reads on the loop, and a few for pages in threads."""

    def __init__(self, path: Path) -> None:
        """Read the log file at ``path`` once it is open."""
        self._path = path
        self._on_loop: apsw.Connection | None = None
        self._idle: list[apsw.Connection] = []
        self._limiter = trio.CapacityLimiter(PAGE_CONNECTIONS)

    def open(self) -> None:
        """Open the connections; a writer must have opened the file before."""
        self._on_loop = open_reader(self._path)
        for _ in range(PAGE_CONNECTIONS):
            self._idle.append(open_reader(self._path))

    def look_up(self, statement: str, bindings: tuple[Any, ...]) -> list[Any]:
        """Return all rows of an indexed read of a few rows, at once and on the loop."""
        if self._on_loop is None:
            raise _closed()
        with translated("the log cannot be read"):
            return rows(self._on_loop, statement, bindings)

    def page_now(self, statement: str, bindings: tuple[Any, ...]) -> list[StoredRecord]:
        """Return one page, read on the loop: only for what cannot wait for a thread."""
        return _unpacked(self.look_up(statement, bindings)[0])

    async def page(self, statement: str, bindings: tuple[Any, ...]) -> list[StoredRecord]:
        """Return one page, read in a thread."""
        if self._on_loop is None:
            raise _closed()
        return await trio.to_thread.run_sync(
            self._read_page, statement, bindings, limiter=self._limiter
        )

    def _read_page(self, statement: str, bindings: tuple[Any, ...]) -> list[StoredRecord]:
        try:
            connection = self._idle.pop()
        except IndexError:
            raise _closed() from None
        try:
            with translated("the log cannot be read"):
                return _unpacked(rows(connection, statement, bindings)[0])
        finally:
            self._idle.append(connection)

    async def close(self) -> None:
        """Wait for the pages that are being read, then close every connection."""
        on_loop, self._on_loop = self._on_loop, None
        holders = [object() for _ in range(PAGE_CONNECTIONS)]
        for holder in holders:
            await self._limiter.acquire_on_behalf_of(holder)
        for connection in [on_loop, *self._idle]:
            if connection is not None:
                connection.close()
        self._idle.clear()
        for holder in holders:
            self._limiter.release_on_behalf_of(holder)


def _closed() -> StoreUnavailableError:
    return StoreUnavailableError("the log is closed")


def _unpacked(
    page: tuple[str, str, str, str, str, str, str, bytes | None, bytes | None],
) -> list[StoredRecord]:
    *numbers, event_ids, bodies = page
    positions, kinds, names, versions, lengths, abouts, fates = map(json.loads, numbers)
    records: list[StoredRecord] = []
    if event_ids is None or bodies is None:
        return records
    begin = 0
    for index, length in enumerate(lengths):
        event_id = event_ids[index * EVENT_ID_BYTES : (index + 1) * EVENT_ID_BYTES]
        stream = Stream(kinds[index], names[index])
        body = bodies[begin : begin + length]
        begin += length
        records.append(
            StoredRecord(
                positions[index],
                stream,
                versions[index],
                event_id,
                body,
                about=bytes.fromhex(abouts[index]) or None,
                outdated=fates[index] is not None,
                withdrawn=fates[index] == WITHDRAWN,
            )
        )
    return records
