"""The wrapped keys of data subjects, in a file of their own that no log or backup copies."""

from collections.abc import Collection, Mapping

import apsw

from persistence.limits import check_subjects
from persistence.sqlite.database import rows, transaction
from persistence.sqlite.serial_database import SerialDatabase, empty_log
from persistence.sqlite.statements import DELETE_KEY, FIND_KEY, INSERT_KEY


class SqliteSubjectKeys:
    """Subject → wrapped key. Every call runs in a thread (about 0.1 ms, and an fsync to write)."""

    def __init__(self, database: SerialDatabase) -> None:
        """Keep the keys in ``database``."""
        self._database = database

    async def get(self, subject: str) -> bytes | None:
        """Return the wrapped key of ``subject``, or ``None``."""
        return await self._database.call(lambda connection: _find(connection, subject))

    async def put_absent(self, wrapped: Mapping[str, bytes]) -> dict[str, bytes]:
        """Store each key whose subject has none; return what is stored now for all of them."""
        check_subjects(wrapped)
        keys = dict(wrapped)
        if not keys:
            return {}
        return await self._database.call(lambda connection: _put_absent(connection, keys))

    async def replace(self, wrapped: Mapping[str, bytes], *, removed: Collection[str] = ()) -> None:
        """Store each key in the place of what its subject has; remove those of others."""
        check_subjects(wrapped)
        keys, gone = dict(wrapped), tuple(removed)
        await self._database.call(lambda connection: _replace(connection, keys, gone))

    async def destroy(self, subject: str) -> bool:
        """Remove the key of ``subject`` and every copy of it; some ms, more with a large table."""
        return await self._database.call(lambda connection: _destroy(connection, subject))


def _find(connection: apsw.Connection, subject: str) -> bytes | None:
    for (wrapped,) in rows(connection, FIND_KEY, (subject,)):
        return bytes(wrapped)
    return None


def _put_absent(connection: apsw.Connection, keys: dict[str, bytes]) -> dict[str, bytes]:
    with transaction(connection):
        connection.executemany(INSERT_KEY, keys.items())
        return {subject: rows(connection, FIND_KEY, (subject,))[0][0] for subject in keys}


def _destroy(connection: apsw.Connection, subject: str) -> bool:
    with transaction(connection):
        connection.execute(DELETE_KEY, (subject,))
        was_there = connection.changes() > 0
    _forget(connection)
    return was_there


def _replace(connection: apsw.Connection, keys: dict[str, bytes], removed: tuple[str, ...]) -> None:
    with transaction(connection):
        connection.executemany(DELETE_KEY, [(subject,) for subject in (*keys, *removed)])
        connection.executemany(INSERT_KEY, keys.items())
    _forget(connection)


def _forget(connection: apsw.Connection) -> None:
    """Leave no copy of what was removed."""
    # The pages as they were before lie in the log, and VACUUM writes the pages as they are now.
    empty_log(connection)
    connection.execute("VACUUM")
    empty_log(connection)
