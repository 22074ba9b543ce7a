"""Snapshots: the newest put counts, and nothing is promised but that they can be forgotten."""

import pytest

from persistence.errors import StoreUnavailableError
from persistence.limits import SNAPSHOT_BYTES_MAX, SNAPSHOTS_PER_PUT_MAX
from persistence.protocols.store import Store, Stores
from persistence.records import Snapshot, Stream
from tests.support.disks import running

A, B = Stream("tally", "a"), Stream("tally", "b")


async def test_a_stream_has_no_snapshot_at_first(store: Store) -> None:
    assert await store.snapshots.get(A) is None


async def test_what_was_put_comes_back(store: Store) -> None:
    await store.snapshots.put([Snapshot(A, 3, b"\x00a"), Snapshot(B, 2**53, b"")])

    assert await store.snapshots.get(A) == Snapshot(A, 3, b"\x00a")
    assert await store.snapshots.get(B) == Snapshot(B, 2**53, b"")


async def test_streams_of_one_name_and_two_kinds_are_two(store: Store) -> None:
    other = Stream("marks", "a")
    await store.snapshots.put([Snapshot(A, 1, b"tally"), Snapshot(other, 2, b"marks")])

    assert await store.snapshots.get(A) == Snapshot(A, 1, b"tally")
    assert await store.snapshots.get(other) == Snapshot(other, 2, b"marks")


@pytest.mark.parametrize("version", [2, 9])
async def test_the_newest_put_counts_even_one_of_an_older_version(
    store: Store, version: int
) -> None:
    await store.snapshots.put([Snapshot(A, 5, b"first")])
    await store.snapshots.put([Snapshot(A, version, b"second")])

    assert await store.snapshots.get(A) == Snapshot(A, version, b"second")


async def test_one_stream_is_forgotten_and_the_others_are_not(store: Store) -> None:
    await store.snapshots.put([Snapshot(A, 1, b"a"), Snapshot(B, 1, b"b")])
    await store.snapshots.forget(A)
    await store.snapshots.forget(Stream("tally", "unknown"))

    assert await store.snapshots.get(A) is None
    assert await store.snapshots.get(B) is not None


async def test_all_are_forgotten(store: Store) -> None:
    await store.snapshots.put([Snapshot(A, 1, b"a"), Snapshot(B, 1, b"b")])
    await store.snapshots.forget_all()

    assert await store.snapshots.get(A) is None
    assert await store.snapshots.get(B) is None


async def test_the_longest_snapshot_is_taken(store: Store) -> None:
    longest = Snapshot(A, 1, b"\xff" * SNAPSHOT_BYTES_MAX)
    await store.snapshots.put([longest])

    assert await store.snapshots.get(A) == longest


@pytest.mark.parametrize(
    "snapshots",
    [
        [Snapshot(A, 1, b"x" * (SNAPSHOT_BYTES_MAX + 1))],
        [Snapshot(A, 0, b"x")],
        [Snapshot(Stream("tally", str(n)), 1, b"") for n in range(SNAPSHOTS_PER_PUT_MAX + 1)],
    ],
    ids=["too long", "of no version", "too many"],
)
async def test_what_breaks_a_bound_is_refused(store: Store, snapshots: list[Snapshot]) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        await store.snapshots.put(snapshots)
    assert await store.snapshots.get(A) is None


async def test_snapshots_survive_an_orderly_stop(stores: Stores) -> None:
    async with running(stores) as store:
        await store.snapshots.put([Snapshot(A, 1, b"kept")])
    async with running(stores) as store:
        assert await store.snapshots.get(A) == Snapshot(A, 1, b"kept")
    with pytest.raises(StoreUnavailableError):
        await store.snapshots.get(A)
