"""A small database with one connection, used by one worker thread at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw
import trio

from persistence.errors import StoreUnavailableError
from persistence.sqlite.database import Layout, open_writer, rows, translated

Answer = TypeVar("Answer")


class SerialDatabase:
    """Calls work on the connection in a thread, one after the other, in the order they came.

    A call that waits for its turn can be cancelled; one that has begun runs to its end.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        """Use the file at ``path`` once it is open."""
        self._path = path
        self._layout = layout
        self._connection: apsw.Connection | None = None
        self._is_open = False
        self._turn = trio.CapacityLimiter(1)

    def open(self) -> None:
        """Open the file, and empty a write-ahead log that a crash has left."""
        self._connection = self._connected()
        self._is_open = True
        with translated(f"{self._path} cannot be opened"):
            empty_log(self._connection)

    async def call(self, work: Callable[[apsw.Connection], Answer]) -> Answer:
        """Run ``work`` in a thread and return what it returns.

        Raises:
            StoreUnavailableError: It failed; the connection is opened anew for the next call.
        """
        if not self._is_open:
            raise self._closed()
        return await trio.to_thread.run_sync(
            self._work, work, limiter=self._turn, abandon_on_cancel=False
        )

    def here(self, work: Callable[[apsw.Connection], Answer]) -> Answer:
        """Run ``work`` in the caller's own thread, before anybody else has the database."""
        return self._work(work)

    def _work(self, work: Callable[[apsw.Connection], Answer]) -> Answer:
        if not self._is_open:
            raise self._closed()
        if self._connection is None:
            self._connection = self._connected()
        try:
            with translated(f"{self._path} does not answer"):
                return work(self._connection)
        except BaseException as error:
            # A connection whose commit has failed is in an unknown state.
            connection, self._connection = self._connection, None
            connection.close(force=True)
            self._failed(error)
            raise

    def close_now(self) -> None:
        """Close in the caller's thread what nobody uses yet."""
        self._is_open = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> apsw.Connection:
        return open_writer(self._path, self._layout)

    def _failed(self, error: BaseException) -> None:
        """Hear of a call that failed, once its connection is closed."""

    def _closed(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"{self._path} is closed")

    async def close(self) -> None:
        """Wait for the call that has begun, then close; those that wait are refused."""
        self._is_open = False
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()


def empty_log(connection: apsw.Connection) -> None:
    """Move the write-ahead log into the file and cut it to no bytes.

    Raises:
        apsw.BusyError: Somebody else reads the file, so a copy of its pages would stay behind.
    """
    [(is_blocked, _, _)] = rows(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
    if is_blocked:
        message = "another process reads the file, so its log cannot be emptied"
        raise apsw.BusyError(message)
