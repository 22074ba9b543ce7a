"""Whose files these are, who may read them, and what is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from persistence.errors import StoreDamagedError, StoreError, StoreLockedError, StoreTooNewError
from persistence.records import StreamWrite
from persistence.sqlite import SqliteStores
from persistence.sqlite.statements import migrations
from tests.support.disks import running
from tests.support.drafts import draft, stream, write

DATABASES = ["log.db", "keys.db", "documents.db"]

FILES = [*DATABASES, "erasures.ledger"]

HOLD_THE_FOLDER = """
import sys, trio
from pathlib import Path
from persistence.sqlite import SqliteStores

stores = SqliteStores(Path(sys.argv[1]))
trio.run(stores.open)
print("held", flush=True)
sys.stdin.read()
"""


async def test_a_second_process_is_refused_in_clear_words(root: Path) -> None:
    with subprocess.Popen(  # noqa: ASYNC220 - a real process, one line of which is awaited
        [sys.executable, "-c", HOLD_THE_FOLDER, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        stores = SqliteStores(root)

        with pytest.raises(StoreLockedError) as caught:
            await stores.open()

        assert str(root) in str(caught.value)
        assert f"process {holder.pid}" in str(caught.value)
        assert "stop process" in str(caught.value)
        holder.kill()
        holder.wait()
    await stores.open()
    assert (root / "LOCK").read_text() == f"{os.getpid()}\n"
    stores.close()


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StoreError, match="cannot be used"):
        await SqliteStores(tmp_path / "file" / "data").open()


def modes_in(root: Path) -> dict[Path, int]:
    """Return the permissions of a folder and of everything in it."""
    return {path: path.stat().st_mode & 0o777 for path in (root, *root.rglob("*"))}


async def test_only_the_owner_may_read_the_files(root: Path, stores: SqliteStores) -> None:
    old = os.umask(0)
    try:
        async with running(stores) as store:
            await store.log.append([write("a", 0)])
            await store.subject_keys.put_absent({"a": b"1"})
            modes = modes_in(root)
    finally:
        os.umask(old)

    assert {*FILES, "LOCK", "log.db-wal", "keys.db-wal"} <= {path.name for path in modes}
    assert {modes[path] for path in modes if path.suffix or path.name == "LOCK"} == {0o600}
    assert {modes[path] for path in modes if not path.suffix and path.name != "LOCK"} == {0o700}


async def test_modes_that_somebody_widened_are_tightened(root: Path, stores: SqliteStores) -> None:
    async with running(stores):
        pass
    folder = root / "acme" / "live"
    folder.chmod(0o755)
    (folder / "keys.db").chmod(0o644)

    async with running(stores):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "keys.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("kept", "missing"), [("log.db", "keys.db"), ("keys.db", "log.db")])
async def test_half_a_store_is_refused_and_told_what_is_missing(
    root: Path, stores: SqliteStores, kept: str, missing: str
) -> None:
    async with running(stores) as store:
        await store.subject_keys.put_absent({"a": b"1"})
        await store.log.append([write("a", 0)])
    (root / "acme" / "live" / missing).unlink()

    with pytest.RaisesGroup(
        pytest.RaisesExc(StoreDamagedError, match=f"{kept}.*{missing}"), flatten_subgroups=True
    ):
        async with running(stores):
            pass


async def test_a_clean_end_leaves_no_write_ahead_log(root: Path, stores: SqliteStores) -> None:
    async with running(stores) as store:
        await store.log.append([write("a", 0)])
        await store.feed.read_feed()
        await store.subject_keys.put_absent({"a": b"1"})

    left = {path.name for path in (root / "acme" / "live").iterdir()}
    assert left == {*FILES, "snapshots.db"}


@pytest.mark.parametrize("database", DATABASES)
async def test_data_of_a_newer_version_is_refused(
    root: Path, stores: SqliteStores, database: str
) -> None:
    async with running(stores):
        pass
    connection = apsw.Connection(str(root / "acme" / "live" / database))
    connection.pragma("user_version", 99)
    connection.close()

    with pytest.raises(StoreTooNewError, match=r"newer version of Parley \(data version 99"):
        await stores.store("acme", "live").run()


@pytest.mark.parametrize("database", DATABASES)
async def test_a_file_of_somebody_else_is_refused_and_not_touched(
    root: Path, stores: SqliteStores, database: str
) -> None:
    async with running(stores):
        pass
    path = root / "acme" / "live" / database
    path.unlink()
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE somebodys (thing)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreDamagedError, match="is not a"):
        await stores.store("acme", "live").run()

    assert path.read_bytes() == before


async def test_the_files_are_not_interchangeable(root: Path, stores: SqliteStores) -> None:
    async with running(stores):
        pass
    folder = root / "acme" / "live"
    shutil.copy(folder / "documents.db", folder / "keys.db")

    with pytest.raises(StoreDamagedError, match="not a keys file"):
        await stores.store("acme", "live").run()


async def test_a_file_that_is_no_database_is_refused(root: Path, stores: SqliteStores) -> None:
    folder = root / "acme" / "live"
    folder.mkdir(parents=True)
    (folder / "log.db").write_bytes(b"this is not a database " * 400)

    with pytest.raises(StoreDamagedError, match="not a database"):
        await stores.store("acme", "live").run()


async def test_a_store_that_was_refused_can_run_when_the_file_is_gone(
    root: Path, stores: SqliteStores
) -> None:
    folder = root / "acme" / "live"
    folder.mkdir(parents=True)
    (folder / "documents.db").write_bytes(b"this is not a database " * 400)
    with pytest.raises(StoreDamagedError):
        await stores.store("acme", "live").run()
    (folder / "documents.db").unlink()

    async with running(stores) as store:
        await store.log.append([write("a", 0)])
        assert await store.log.head(stream("a")) == 1


async def test_an_empty_file_is_brought_up_from_version_0(root: Path, stores: SqliteStores) -> None:
    folder = root / "acme" / "live"
    folder.mkdir(parents=True)
    for name in DATABASES:
        (folder / name).write_bytes(b"")

    async with running(stores) as store:
        await store.log.append([write("a", 0)])

    for name in DATABASES:
        connection = apsw.Connection(str(folder / name))
        assert connection.pragma("user_version") == len(migrations(name.removesuffix(".db")))
        assert connection.pragma("application_id") != 0
        assert connection.pragma("integrity_check") == "ok"
        connection.close()


async def test_a_file_beside_the_workspaces_is_no_workspace(
    root: Path, stores: SqliteStores
) -> None:
    (root / "Not A Workspace" / "live").mkdir(parents=True)
    (root / "Not A Workspace" / "live" / "log.db").write_bytes(b"")
    (root / "notes.txt").write_bytes(b"")

    assert await stores.workspaces() == []


async def test_a_log_of_an_earlier_version_is_brought_up_to_date(
    root: Path, stores: SqliteStores
) -> None:
    async with running(stores) as store:
        await store.log.append([write("a", 0, b"kept")])
    connection = apsw.Connection(str(root / "acme" / "live" / "log.db"))
    connection.execute(
        "DROP VIEW seen_records;"
        "DROP INDEX records_by_about;"
        "ALTER TABLE records DROP COLUMN about;"
        "ALTER TABLE records DROP COLUMN withdraws;"
    )
    connection.pragma("user_version", 1)
    connection.close()

    async with running(stores) as store:
        [record] = await store.log.read(stream("a"))
        await store.log.append(
            [StreamWrite(stream("a"), 1, (replace(draft(), about=record.event_id),))]
        )
        [later] = await store.log.about([record.event_id])

    assert (record.body, record.outdated, later.version) == (b"kept", False, 2)
