"""The only connection that writes to a log. The loop inserts; a thread of its own commits.

No two of them use it at once: whoever calls :meth:`Writer.commit` waits for it before anything else
is asked of the writer, since every call would block until the disk has answered.
"""

from pathlib import Path

import apsw

from persistence.errors import StoreUnavailableError
from persistence.records import new_epoch
from persistence.sqlite.commit_thread import CommitThread
from persistence.sqlite.database import LOG, open_writer, rows, translated
from persistence.sqlite.statements import (
    INSERT_RECORD,
    INSERT_STREAM,
    READ_ENDS,
    READ_EPOCH,
    SET_EPOCH,
)
from persistence.sqlite.submits import Batch


class Writer:
    """Inserts whole batches and commits them."""

    def __init__(self, path: Path) -> None:
        """Write to the log file at ``path`` once it is open."""
        self._path = path
        self._connection: apsw.Connection | None = None
        self._thread: CommitThread | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection to write with."""
        return self._connection is not None

    def start(self) -> None:
        """Start the thread that commits."""
        self._thread = CommitThread(f"commits of {self._path}")

    def open(self) -> tuple[int, int]:
        """Open the connection; return the last position and the last stream id on disk."""
        connection = open_writer(self._path, LOG)
        try:
            with translated(f"{self._path} cannot be read"):
                [(position, stream_id)] = rows(connection, READ_ENDS)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return position, stream_id

    def epoch(self) -> str:
        """Return the epoch of the log, drawing it if there is none."""
        with translated(f"{self._path} cannot be read"):
            connection = self._opened()
            if not rows(connection, READ_EPOCH):
                connection.execute(SET_EPOCH, (new_epoch(),))
            return str(rows(connection, READ_EPOCH)[0][0])

    def _opened(self) -> apsw.Connection:
        if self._connection is None:
            message = "the log is closed"
            raise StoreUnavailableError(message)
        return self._connection

    def insert(self, batch: Batch) -> None:
        """Begin a transaction and insert every row of ``batch``: about 4 µs a row, on the loop.

        Raises:
            StoreUnavailableError: Nothing was written; :meth:`abandon` the connection.
        """
        connection = self._opened()
        with translated("the rows cannot be inserted"):
            cursor = connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(INSERT_STREAM, batch.new_streams)
            cursor.executemany(INSERT_RECORD, batch.rows)

    async def commit(self) -> BaseException | None:
        """Commit in the thread; return what it raised. Cannot be cancelled."""
        if self._thread is None:
            return StoreUnavailableError("the log is closed")
        return await self._thread.call(self._commit)

    def _commit(self) -> None:
        self._opened().execute("COMMIT")

    def abandon(self) -> None:
        """Close a connection that has failed. What it had not committed is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Its state is unknown, so an error here says no more than the one that led to it.
            connection.close(force=True)

    def close(self) -> None:
        """End the thread, empty the write-ahead log into the file and close."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        connection, self._connection = self._connection, None
        if connection is not None:
            with translated(f"{self._path} cannot be closed"):
                try:
                    connection.pragma("wal_checkpoint", "TRUNCATE")
                finally:
                    connection.close()
