"""The file of the snapshots is thrown away when anything is wrong with it; nobody waits for it."""

import shutil
from pathlib import Path

import apsw
import pytest

from persistence.errors import StoreDamagedError
from persistence.records import Snapshot, Stream
from persistence.sqlite import SqliteStores
from tests.support.disks import running

A = Stream("tally", "a")
KEPT = Snapshot(A, 1, b"kept")


def file_of(root: Path) -> Path:
    return root / "acme" / "live" / "snapshots.db"


async def left(stores: SqliteStores) -> None:
    async with running(stores) as store:
        await store.snapshots.put([KEPT])


async def assert_starts_anew(stores: SqliteStores) -> None:
    async with running(stores) as store:
        assert await store.snapshots.get(A) is None
        await store.snapshots.put([KEPT])
        assert await store.snapshots.get(A) == KEPT


async def test_a_file_that_is_no_database_is_made_anew(root: Path, stores: SqliteStores) -> None:
    await left(stores)
    file_of(root).write_bytes(b"torn " * 4_000)
    await assert_starts_anew(stores)


async def test_a_file_of_another_kind_is_made_anew(root: Path, stores: SqliteStores) -> None:
    await left(stores)
    shutil.copy(file_of(root).with_name("documents.db"), file_of(root))
    await assert_starts_anew(stores)


async def test_a_file_of_a_newer_version_is_made_anew(root: Path, stores: SqliteStores) -> None:
    await left(stores)
    connection = apsw.Connection(str(file_of(root)))
    connection.pragma("user_version", 99)
    connection.close()
    await assert_starts_anew(stores)


async def test_a_file_that_is_gone_is_made_anew(root: Path, stores: SqliteStores) -> None:
    await left(stores)
    file_of(root).unlink()
    await assert_starts_anew(stores)


async def test_pages_that_are_found_torn_in_use_are_thrown_away(
    root: Path, stores: SqliteStores
) -> None:
    many = [Snapshot(Stream("tally", str(n)), 1, b"x" * 20_000) for n in range(20)]
    async with running(stores) as store:
        await store.snapshots.put(many)
    torn = bytearray(file_of(root).read_bytes())
    torn[4096:] = b"\xa5" * (len(torn) - 4096)
    file_of(root).write_bytes(torn)
    async with running(stores) as store:
        with pytest.raises(StoreDamagedError):
            await store.snapshots.get(many[3].stream)
        assert await store.snapshots.get(many[3].stream) is None
        await store.snapshots.put([KEPT])
        assert await store.snapshots.get(A) == KEPT


async def test_what_is_forgotten_is_in_no_file(root: Path, stores: SqliteStores) -> None:
    canary = b"a canary that nobody may find again"
    async with running(stores) as store:
        await store.snapshots.put([Snapshot(A, 1, canary * 2_000)])
        await store.snapshots.forget(A)
        found = [
            path.name for path in file_of(root).parent.iterdir() if canary in path.read_bytes()
        ]
    assert found == []
