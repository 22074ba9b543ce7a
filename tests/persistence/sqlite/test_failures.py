"""Disks that take no more bytes, commits whose outcome is unknown, keys that must vanish."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
import trio

from persistence.errors import OutcomeUnknownError, StoreUnavailableError, VersionConflictError
from persistence.protocols.store import Store
from persistence.records import Appended, StoredRecord
from persistence.sqlite import SqliteStores
from tests.support.disks import running
from tests.support.drafts import stream, write


@contextmanager
def disk_full() -> Iterator[None]:
    """Let no file of this process grow or be written beyond its first byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_fails_the_append_and_no_later_one(stores: SqliteStores) -> None:
    async with running(stores) as store:
        await store.log.append([write("a", 0, b"1")])
        with disk_full():
            for _ in range(2):
                with pytest.raises((OutcomeUnknownError, StoreUnavailableError)):
                    await store.log.append([write("a", 1, b"lost" * 1000)])
            assert await store.log.head(stream("a")) == 1
        await until_open(store)
        position = store.feed.committed()
        [appended] = await store.log.append([write("a", 1, b"2")])

        assert (position, appended) == (1, Appended(stream("a"), 2, 2))
        assert [record.body for record in await store.feed.read_feed()] == [b"1", b"2"]


async def until_open(store: Store) -> None:
    """Wait until the log takes submits, on a stream of no interest."""
    with trio.fail_after(5):
        while not await is_open(store):
            pass


async def is_open(store: Store) -> bool:
    """Say whether the log takes submits: it refuses this one for its version alone."""
    await trio.lowlevel.checkpoint()
    try:
        await store.log.append([write("never", 7)])
    except StoreUnavailableError:
        return False
    except VersionConflictError:
        return True
    message = "a version that was never reached was taken"
    raise AssertionError(message)


async def test_a_full_disk_fails_keys_and_documents_and_no_later_ones(
    stores: SqliteStores,
) -> None:
    async with running(stores) as store:
        with disk_full():
            with pytest.raises(StoreUnavailableError):
                await store.subject_keys.put_absent({"a": b"lost"})
            with pytest.raises(StoreUnavailableError):
                await store.documents.put_absent("k", b"lost", expires_ms=9, now_ms=1)
        assert await store.subject_keys.get("a") is None
        assert await store.subject_keys.put_absent({"a": b"1"}) == {"a": b"1"}
        assert await store.documents.put_absent("k", b"2", expires_ms=9, now_ms=1) == b"2"


async def test_listeners_hear_of_records_that_survived_a_failed_commit(
    stores: SqliteStores,
) -> None:
    writers: list[apsw.Connection] = []

    def watch(connection: apsw.Connection) -> None:
        if connection.filename.endswith("log.db") and not connection.readonly("main"):
            writers.append(connection)

    apsw.connection_hooks.append(watch)
    told: list[StoredRecord] = []
    try:
        async with running(stores) as store:
            store.feed.listen(told.extend)
            await store.log.append([write("a", 0, b"1")])
            # What this hook returns becomes the error of a COMMIT that has been made.
            writers[0].set_wal_hook(lambda *_: apsw.SQLITE_IOERR)
            with pytest.raises(OutcomeUnknownError):
                await store.log.append([write("a", 1, b"2"), write("b", 0, b"3")])
            await store.log.append([write("a", 2, b"4")])
            await store.log.append([write("b", 1, b"5")])
    finally:
        apsw.connection_hooks.remove(watch)

    assert [(record.position, record.body) for record in told[:4]] == [
        (1, b"1"),
        (2, b"2"),
        (3, b"3"),
        (4, b"4"),
    ]


@pytest.mark.parametrize("others", [0, 500])
async def test_a_destroyed_key_is_in_no_file(root: Path, stores: SqliteStores, others: int) -> None:
    secret = b"a wrapped key that must vanish from everything"

    def files_with_the_key() -> list[str]:
        files = [path for path in root.rglob("*") if path.is_file()]
        return [path.name for path in files if secret in path.read_bytes()]

    async with running(stores) as store:
        await store.subject_keys.put_absent({f"s{n}": b"x" * 60 for n in range(others)})
        await store.subject_keys.put_absent({"person": secret})
        await store.subject_keys.put_absent({f"t{n}": b"x" * 60 for n in range(others)})
        assert files_with_the_key() == ["keys.db-wal"]

        assert await store.subject_keys.destroy("person")

        assert files_with_the_key() == []
        assert await store.subject_keys.get("person") is None
        assert others == 0 or await store.subject_keys.get("s0") == b"x" * 60
    assert files_with_the_key() == []


async def test_a_destroyed_key_does_not_stay_after_a_reopening(
    root: Path, stores: SqliteStores
) -> None:
    secret = b"a wrapped key that must vanish from everything"
    async with running(stores) as store:
        await store.subject_keys.put_absent({"person": secret, "other": b"x"})
    keys = root / "acme" / "live" / "keys.db"
    assert secret in keys.read_bytes()

    async with running(stores) as store:
        await store.subject_keys.destroy("person")

    assert secret not in keys.read_bytes()


async def test_a_reader_in_the_way_is_named_and_a_second_call_finishes(
    root: Path, stores: SqliteStores
) -> None:
    secret = b"a wrapped key that must vanish from everything"
    keys = root / "acme" / "live" / "keys.db"
    async with running(stores) as store:
        await store.subject_keys.put_absent({"person": secret})
        stranger = apsw.Connection(str(keys), flags=apsw.SQLITE_OPEN_READONLY)
        stranger.execute("BEGIN")
        stranger.execute("SELECT * FROM subject_keys").fetchall()

        with pytest.raises(StoreUnavailableError):
            await store.subject_keys.destroy("person")
        stranger.close()

        assert await store.subject_keys.destroy("person") is False
        for path in keys.parent.iterdir():
            assert secret not in path.read_bytes()
