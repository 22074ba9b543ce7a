"""Small documents with an end, in a file of their own."""

import apsw

from persistence.limits import check_document
from persistence.sqlite.database import rows, transaction
from persistence.sqlite.serial_database import SerialDatabase
from persistence.sqlite.statements import (
    DELETE_EXPIRED_DOCUMENTS,
    FIND_DOCUMENT,
    PUT_DOCUMENT,
    READ_DOCUMENT,
)

EXPIRED_PER_PUT = 64
"""Expired documents that one put removes: more than come in, so the file does not grow for ever."""


class SqliteDocuments:
    """Key → document, until it expires. Every call runs in a thread."""

    def __init__(self, database: SerialDatabase) -> None:
        """Keep the documents in ``database``."""
        self._database = database

    async def get(self, key: str, *, now_ms: int) -> bytes | None:
        """Return the document, or ``None`` if there is none or it has expired at ``now_ms``."""
        return await self._database.call(lambda connection: _get(connection, key, now_ms))

    async def put_absent(self, key: str, document: bytes, *, expires_ms: int, now_ms: int) -> bytes:
        """Store ``document`` unless a live one is there; return the one that is stored now."""
        check_document(key, document)

        def put(connection: apsw.Connection) -> bytes:
            with transaction(connection):
                connection.execute(DELETE_EXPIRED_DOCUMENTS, (now_ms, EXPIRED_PER_PUT))
                connection.execute(PUT_DOCUMENT, (key, document, expires_ms, now_ms))
                return bytes(rows(connection, READ_DOCUMENT, (key,))[0][0])

        return await self._database.call(put)


def _get(connection: apsw.Connection, key: str, now_ms: int) -> bytes | None:
    for (document,) in rows(connection, FIND_DOCUMENT, (key, now_ms)):
        return bytes(document)
    return None
