"""How connections are set, and which thread uses which of them when."""

import threading
from collections.abc import Iterator

import apsw
import pytest
import trio

from persistence.errors import StoreDamagedError
from persistence.sqlite import SqliteStores
from persistence.sqlite.database import CHECKPOINT_PAGES
from tests.support.disks import running
from tests.support.drafts import Heard, stream, write


class Watched:
    """Every connection that is opened, and every statement with its thread."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.connections: list[apsw.Connection] = []
        self.statements: list[tuple[apsw.Connection, str, str, int]] = []

    def watch(self, connection: apsw.Connection) -> None:
        """Note what ``connection`` does."""
        self.connections.append(connection)
        mask = apsw.SQLITE_TRACE_STMT | apsw.SQLITE_TRACE_PROFILE
        connection.trace_v2(mask, self._note)

    def _note(self, event: dict[str, object]) -> None:
        what = "begins" if event["code"] == apsw.SQLITE_TRACE_STMT else "ends"
        connection = event["connection"]
        assert isinstance(connection, apsw.Connection)
        self.statements.append((connection, what, str(event["sql"]), threading.get_ident()))

    def of(self, connection: apsw.Connection) -> list[tuple[str, str, int]]:
        """Return what one connection did, in order."""
        return [call[1:] for call in self.statements if call[0] is connection]

    @property
    def writers(self) -> list[apsw.Connection]:
        """The connections that inserted records."""
        found: list[apsw.Connection] = []
        for connection, _, sql, _ in self.statements:
            if "INSERT INTO records" in sql and connection not in found:
                found.append(connection)
        return found


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Watch every connection that the test opens."""
    watched = Watched()
    apsw.connection_hooks.append(watched.watch)
    yield watched
    apsw.connection_hooks.remove(watched.watch)


async def test_settings_are_what_they_should_be(stores: SqliteStores, watched: Watched) -> None:
    async with running(stores):
        for connection in watched.connections:
            is_log = connection.filename.endswith("log.db")
            assert connection.pragma("journal_mode") == "wal"
            assert connection.pragma("trusted_schema") == 0
            if connection.readonly("main"):
                assert connection.pragma("query_only") == 1
            else:
                is_thrown_away = connection.filename.endswith("snapshots.db")
                assert connection.pragma("synchronous") == (0 if is_thrown_away else 2)
                assert connection.pragma("secure_delete") == (0 if is_log else 1)
                usual = 1_000
                pages = connection.pragma("wal_autocheckpoint")
                assert pages == (CHECKPOINT_PAGES if is_log else usual)


async def test_a_setting_that_does_not_take_is_refused(stores: SqliteStores) -> None:
    # This way of locking shares no memory, so a write-ahead log is silently not used with it.
    usual = apsw.vfs_names()[0]
    apsw.set_default_vfs("unix-dotfile")
    try:
        with pytest.raises(StoreDamagedError, match="PRAGMA journal_mode is 'delete'"):
            await stores.store("acme", "live").run()
    finally:
        apsw.set_default_vfs(usual)

    async with running(stores) as store:
        await store.log.append([write("a", 0)])


async def append_a_lot(stores: SqliteStores) -> None:
    """Append, read and look up at the same time, with many commits."""
    async with running(stores) as store:

        async def one_stream(name: str) -> None:
            for version in range(30):
                await store.log.append([write(name, version)])
                await store.log.head(stream(name))
                store.log.submit([write(f"{name} {version}", 0)], Heard().receipt("later"))
                await store.log.read(stream(name))
                await store.feed.read_feed(after=version)

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(one_stream, f"s{number}")


async def test_the_loop_inserts_and_one_other_thread_commits(
    stores: SqliteStores, watched: Watched
) -> None:
    await append_a_lot(stores)

    [writer] = watched.writers
    calls = watched.of(writer)
    first = next(i for i, (_, sql, _) in enumerate(calls) if "INSERT INTO records" in sql) - 2
    last = max(i for i, (_, sql, _) in enumerate(calls) if sql == "COMMIT")
    loop = threading.get_ident()
    working = calls[first : last + 1]
    commits = {thread for _, sql, thread in working if sql == "COMMIT"}
    others = {thread for _, sql, thread in working if sql != "COMMIT"}
    assert others == {loop}
    assert len(commits) == 1
    assert loop not in commits


async def test_nobody_touches_the_writer_while_a_commit_is_in_flight(
    stores: SqliteStores, watched: Watched
) -> None:
    await append_a_lot(stores)

    [writer] = watched.writers
    calls = [(what, sql) for what, sql, _ in watched.of(writer)]
    commits = [index for index, call in enumerate(calls) if call == ("begins", "COMMIT")]
    assert len(commits) > 30
    assert all(calls[index + 1] == ("ends", "COMMIT") for index in commits)


async def test_the_writer_reads_nothing_once_it_is_open(
    stores: SqliteStores, watched: Watched
) -> None:
    await append_a_lot(stores)

    [writer] = watched.writers
    statements = [sql for what, sql, _ in watched.of(writer) if what == "begins"]
    first_row = next(at for at, sql in enumerate(statements) if "INTO streams" in sql)
    working = statements[first_row - 1 :]
    assert working[0] == "BEGIN IMMEDIATE"
    assert "wal_checkpoint" in working.pop(), "the last thing it does is to empty its log"
    kinds = {" ".join(sql.split()[:3]) for sql in working}
    assert kinds <= {
        "BEGIN IMMEDIATE",
        "INSERT INTO streams",
        "INSERT INTO records",
        "COMMIT",
    }
