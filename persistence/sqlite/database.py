"""Opening one database file: whose it is, how it is set, and its migrations."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from persistence.errors import StoreDamagedError, StoreTooNewError, StoreUnavailableError
from persistence.sqlite.files import make_file
from persistence.sqlite.statements import migrations

BUSY_MS: Final = 100
"""How long a statement waits for a lock. Only a stranger can hold one, and the loop waits too."""

CHECKPOINT_PAGES: Final = 4_000
"""Pages in the write-ahead log (16 MB) at which a commit copies them into the file. Commits write
the newest index page of every busy stream again and again, and only its last copy is copied: with
SQLite's own 1,000 a row takes 2 µs of CPU more, and one commit in 14 takes 7 ms longer. With 10,000
it takes 1 µs less again, but the one commit that copies takes 40 ms."""

Setting = tuple[str, str | int]


class Layout(NamedTuple):
    """What one kind of database file promises."""

    name: str
    """The folder of its migrations."""
    application_id: int
    settings: tuple[Setting, ...]
    """PRAGMAs of the connection that writes; each is set alone and read back."""
    scripts: tuple[str, ...] = ()
    """The migrations themselves, where no folder has them."""

    def migrations(self) -> tuple[str, ...]:
        """Return the scripts that make the tables, in their order."""
        return self.scripts or migrations(self.name)


_DURABLE: Final[tuple[Setting, ...]] = (
    ("busy_timeout", BUSY_MS),
    ("journal_mode", "wal"),
    ("synchronous", 2),
    ("trusted_schema", 0),
)
_FORGETFUL: Final[tuple[Setting, ...]] = (*_DURABLE, ("secure_delete", 1), ("temp_store", 2))
_THROWAWAY: Final[tuple[Setting, ...]] = (
    ("busy_timeout", BUSY_MS),
    ("journal_mode", "wal"),
    ("synchronous", 0),
    ("trusted_schema", 0),
    ("secure_delete", 1),
    ("temp_store", 2),
)
"""Nothing is waited for: what a power cut tears is thrown away (``snapshots.py``)."""
_READING: Final[tuple[Setting, ...]] = (
    ("busy_timeout", BUSY_MS),
    ("query_only", 1),
    ("trusted_schema", 0),
)

_GROWING: Final[tuple[Setting, ...]] = (*_DURABLE, ("wal_autocheckpoint", CHECKPOINT_PAGES))

VIEW_SETTINGS: Final[tuple[Setting, ...]] = (
    ("busy_timeout", BUSY_MS),
    ("journal_mode", "wal"),
    ("synchronous", 1),
    ("trusted_schema", 0),
    ("wal_autocheckpoint", CHECKPOINT_PAGES),
)
"""A view can be built again, so that its commits need no fsync: ``NORMAL`` has one a checkpoint.
In a write-ahead log that loses whole transactions at the end, never a part of one and never the
file (SQLite, PRAGMA synchronous); ``OFF`` could break the file at a power cut."""

LOG: Final = Layout("log", int.from_bytes(b"PrLg"), _GROWING)
KEYS: Final = Layout("keys", int.from_bytes(b"PrKy"), _FORGETFUL)
DOCUMENTS: Final = Layout("documents", int.from_bytes(b"PrDc"), _FORGETFUL)
VIEW: Final = Layout("view", int.from_bytes(b"PrVw"), VIEW_SETTINGS)
"""Its tables follow from its declaration."""
SNAPSHOTS: Final = Layout("snapshots", int.from_bytes(b"PrSn"), _THROWAWAY)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what SQLite or the disk raises into errors of the seam. ``what`` says what was tried.

    Raises:
        StoreDamagedError: The file is not a database, or its pages contradict each other.
        StoreUnavailableError: Everything else.
    """
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as error:
        message = f"{what}: {error}"
        raise StoreDamagedError(message) from error
    except (apsw.Error, OSError) as error:
        message = f"{what}: {error}"
        raise StoreUnavailableError(message) from error


def rows(connection: apsw.Connection, statement: str, bindings: tuple[Any, ...] = ()) -> list[Any]:
    """Return every row, so that no read transaction stays open. STRICT tables hold the types."""
    return connection.execute(statement, bindings).fetchall()


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Commit what is done inside, or roll all of it back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors, for example a full disk.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def open_writer(path: Path, layout: Layout) -> apsw.Connection:
    """Open ``path`` for writing, making it and bringing its tables up to date if need be.

    Raises:
        StoreDamagedError: The file is not ours, or a setting did not take.
        StoreTooNewError: A newer version of Parley wrote it.
        StoreUnavailableError: It cannot be opened.
    """
    with translated(f"{path} cannot be opened"):
        make_file(path)
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            _check_owner(connection, path, layout)
            _set(connection, layout.settings)
            _migrate(connection, layout)
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(path: Path) -> apsw.Connection:
    """Open ``path``, which a writer has opened before, for reading only."""
    with translated(f"{path} cannot be opened for reading"):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            _set(connection, _READING)
        except BaseException:
            connection.close()
            raise
        return connection


def _check_owner(connection: apsw.Connection, path: Path, layout: Layout) -> None:
    """Refuse a file of somebody else before anything is changed in it."""
    owner = connection.pragma("application_id")
    is_new = owner == 0 and not rows(connection, "SELECT 1 FROM sqlite_schema LIMIT 1")
    if owner != layout.application_id and not is_new:
        message = f"{path} is not a {layout.name} file of Parley; nothing was changed in it"
        raise StoreDamagedError(message)
    version = connection.pragma("user_version")
    known = len(layout.migrations())
    if version > known:
        message = (
            f"{path} was written by a newer version of Parley (data version {version}, this one "
            f"knows {known}). Start that version, or restore a backup made before the upgrade."
        )
        raise StoreTooNewError(message)


def _set(connection: apsw.Connection, settings: tuple[Setting, ...]) -> None:
    for name, value in settings:
        connection.pragma(name, value)
        read_back = connection.pragma(name)
        if read_back != value:
            message = f"PRAGMA {name} is {read_back!r}, though it was set to {value!r}"
            raise StoreDamagedError(message)


def _migrate(connection: apsw.Connection, layout: Layout) -> None:
    done = connection.pragma("user_version")
    for number, script in enumerate(layout.migrations()[done:], start=done + 1):
        with transaction(connection):
            connection.execute(script)
            connection.pragma("application_id", layout.application_id)
            connection.pragma("user_version", number)
