"""One view: a file with one connection that writes and one that reads, each in a thread."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
import trio

from persistence.errors import StoreUnavailableError
from persistence.protocols.views import (
    Change,
    Condition,
    Declaration,
    Group,
    Query,
    Row,
    Value,
)
from persistence.sqlite import view_statements as sql
from persistence.sqlite.database import VIEW, Layout, open_reader, rows, transaction, translated
from persistence.sqlite.serial_database import SerialDatabase
from persistence.view_rules import RowChange, Shape, joined


class OtherViewError(Exception):
    """The file is of another epoch, or its columns are others than declared."""


class SqliteView:
    """The rows of one view. It is opened, and closed, by :class:`SqliteViews` alone."""

    def __init__(self, path: Path, declaration: Declaration, epoch: str) -> None:
        """Use the file at ``path``, built from the log of this ``epoch``, once it is open."""
        self.path = path
        self.declaration = declaration
        self.epoch = epoch
        self._shape = Shape(declaration)
        self._writing = SerialDatabase(path, layout_of(declaration))
        self._reader: apsw.Connection | None = None
        self._turn = trio.CapacityLimiter(1)
        self._position = 0

    @property
    def position(self) -> int:
        return self._position

    def open(self) -> None:
        """Open the file, and make it if it is missing; called in a thread.

        Raises:
            OtherViewError: it was built from another epoch, or with other columns.
            StoreDamagedError, StoreTooNewError, StoreUnavailableError: it cannot be opened.
        """
        self._writing.open()
        self._position = self._writing.here(self._place)
        self._reader = open_reader(self.path)

    async def write(self, changes: Sequence[Change], *, position: int) -> None:
        self._shape.check_changes(changes)
        if position < self._position:
            message = f"position {position} lies before {self._position}"
            raise ValueError(message)
        statements = self._statements(joined(changes))

        def write(connection: apsw.Connection) -> None:
            with transaction(connection):
                for statement, bindings in statements:
                    connection.execute(statement, bindings)
                connection.execute(sql.MOVE, (position,))

        await self._writing.call(write)
        self._position = position

    async def read(self, query: Query) -> list[Row]:
        self._shape.check_query(query)

        def read(connection: apsw.Connection) -> str:
            probes = [sql.probe(one, self._shape.many) for one in query.where]
            rare = [one is None or rows(connection, *one)[0][0] < sql.RARE_ROWS for one in probes]
            found: str = rows(connection, *sql.page(self.declaration, query, rare))[0][0]
            return found

        return [self._row(one) for one in json.loads(await self._beside(read))]

    async def counts(
        self, by: str, where: Sequence[Condition] = (), *, limit: int = 200
    ) -> list[Group]:
        self._shape.check_counts(by, where, limit)
        statement = sql.counts(self.declaration, by, where, limit)
        found = await self._beside(lambda connection: rows(connection, *statement))
        return [Group(*one) for one in found]

    def close_now(self) -> None:
        """Close what could not be opened whole; nobody uses it."""
        self._writing.close_now()

    async def close(self) -> None:
        """Wait for what has begun, and close."""
        async with self._turn:
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.close()
        await self._writing.close()

    def _statements(self, changes: dict[str, RowChange]) -> list[sql.Statement]:
        found: list[sql.Statement] = []
        dropped = [key for key, change in changes.items() if change.dropped]
        if dropped:
            found += sql.drops(self.declaration, dropped)
        put = {key: change.values for key, change in changes.items() if change.is_put}
        if put:
            found += sql.puts(self._shape.single, put)
        for column in self._shape.many:
            for there in (False, True):
                pairs = [
                    (value, key)
                    for key, change in changes.items()
                    for value, is_there in change.many.get(column, {}).items()
                    if is_there is there
                ]
                if pairs:
                    found.append(sql.sets(column, pairs, there=there))
        return found

    async def _beside(self, read: Any) -> Any:
        return await trio.to_thread.run_sync(self._with_reader, read, limiter=self._turn)

    def _with_reader(self, read: Any) -> Any:
        if self._reader is None:
            message = f"{self.path} is closed"
            raise StoreUnavailableError(message)
        with translated(f"{self.path} cannot be read"):
            return read(self._reader)

    def _row(self, found: list[Any]) -> Row:
        values: dict[str, Value | None] = {}
        for column, value in zip(self._shape.single.values(), found[1:], strict=True):
            is_sealed = column.kind == "bytes" and value is not None
            values[column.name] = bytes.fromhex(value) if is_sealed else value
        return Row(found[0], values)

    def _place(self, connection: apsw.Connection) -> int:
        found = rows(connection, sql.READ_PLACE)
        if not found:
            connection.execute(*sql.begin_at_nothing(self.declaration, self.epoch))
            return 0
        position, epoch, told = found[0]
        if epoch != self.epoch or told != msgspec.json.encode(self.declaration).decode():
            raise OtherViewError
        return int(position)


def layout_of(declaration: Declaration) -> Layout:
    """Return how the file of a view is set, and its tables."""
    return VIEW._replace(scripts=(sql.schema_of(declaration),))


def declared_in(path: Path) -> tuple[Declaration, str]:
    """Return what a file says it is made of, and the epoch it was built from; in a thread.

    Raises:
        StoreDamagedError, StoreUnavailableError: it does not say so.
    """
    connection = open_reader(path)
    try:
        with translated(f"{path} cannot be read"):
            [(_, epoch, told)] = rows(connection, sql.READ_PLACE)
            return msgspec.json.decode(told, type=Declaration), epoch
    finally:
        connection.close()
