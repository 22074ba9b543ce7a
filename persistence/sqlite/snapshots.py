"""Snapshots of streams, in a file that is thrown away as soon as there is something wrong with it.

It is never waited for: ``synchronous`` is off, so a power cut may leave a torn file. That harms
nobody. A file that does not open, or whose pages contradict each other, is removed and made anew. A
page that was lost unseen gives an older snapshot, which is as true as the newer one was, or bytes
that their seal refuses; and every reader checks the event a snapshot ends with against the log.
"""

from collections.abc import Sequence

import apsw

from persistence.errors import StoreDamagedError, StoreTooNewError
from persistence.limits import check_snapshots
from persistence.records import Snapshot, Stream
from persistence.sqlite.database import open_writer, rows, transaction
from persistence.sqlite.serial_database import SerialDatabase, empty_log
from persistence.sqlite.statements import (
    DELETE_SNAPSHOT,
    DELETE_SNAPSHOTS,
    FIND_SNAPSHOT,
    PUT_SNAPSHOT,
)

SIDE_FILES = ("", "-wal", "-shm")


class ThrowawayDatabase(SerialDatabase):
    """A database that is made anew when it is damaged, or was written by a newer version."""

    def _connected(self) -> apsw.Connection:
        try:
            return open_writer(self._path, self._layout)
        except (StoreDamagedError, StoreTooNewError):
            self._throw_away()
            return open_writer(self._path, self._layout)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, StoreDamagedError):
            self._throw_away()

    def _throw_away(self) -> None:
        for suffix in SIDE_FILES:
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


class SqliteSnapshots:
    """Stream → its newest snapshot. Every call runs in a thread."""

    def __init__(self, database: ThrowawayDatabase) -> None:
        """Keep the snapshots in ``database``."""
        self._database = database

    async def get(self, stream: Stream) -> Snapshot | None:
        """Return the snapshot of ``stream`` if there is one."""
        return await self._database.call(lambda connection: _get(connection, stream))

    async def put(self, snapshots: Sequence[Snapshot]) -> None:
        """Keep each of them in the place of the one before it."""
        check_snapshots(snapshots)
        kept = [(*one.stream, one.version, one.body) for one in snapshots]

        def put(connection: apsw.Connection) -> None:
            with transaction(connection):
                connection.executemany(PUT_SNAPSHOT, kept)

        await self._database.call(put)

    async def forget(self, stream: Stream) -> None:
        """Remove the snapshot of ``stream``, and the pages that were its."""
        await self._database.call(
            lambda connection: _delete(connection, DELETE_SNAPSHOT, tuple(stream))
        )

    async def forget_all(self) -> None:
        """Remove every snapshot, and the pages that were theirs."""
        await self._database.call(lambda connection: _delete(connection, DELETE_SNAPSHOTS, ()))


def _get(connection: apsw.Connection, stream: Stream) -> Snapshot | None:
    for version, body in rows(connection, FIND_SNAPSHOT, stream):
        return Snapshot(stream, version, bytes(body))
    return None


def _delete(connection: apsw.Connection, statement: str, bindings: tuple[str, ...]) -> None:
    with transaction(connection):
        connection.execute(statement, bindings)
    empty_log(connection)  # the pages as they were before lie in it
