"""Reads of one stream: pages, single events, and versions at a position."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persistence.limits import READ_RECORDS_MAX
from persistence.protocols.store import Store
from persistence.records import StoredRecord, StreamWrite
from tests.support.disks import Disk, everything, running
from tests.support.drafts import draft, drafts, stream, write

FEW = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    ("after", "before", "limit", "newest_first", "versions"),
    [
        (0, None, 256, False, [1, 2, 3, 4, 5]),
        (2, None, 256, False, [3, 4, 5]),
        (0, 3, 256, False, [1, 2]),
        (1, 5, 2, False, [2, 3]),
        (0, None, 2, True, [5, 4]),
        (1, 5, 2, True, [4, 3]),
        (3, 4, 256, False, []),
        (5, None, 256, False, []),
        (0, 1, 256, True, []),
    ],
)
async def test_a_page_has_the_versions_between_its_ends(
    store: Store,
    after: int,
    before: int | None,
    limit: int,
    newest_first: bool,  # noqa: FBT001
    versions: list[int],
) -> None:
    await store.log.append([write("a", 0, b"1", b"2", b"3"), write("b", 0, b"not mine")])
    await store.log.append([write("a", 3, b"4", b"5")])

    page = await store.log.read(
        stream("a"), after=after, before=before, limit=limit, newest_first=newest_first
    )

    assert [record.version for record in page] == versions
    assert [record.body for record in page] == [b"%d" % version for version in versions]


async def test_a_stream_without_records_is_empty(store: Store) -> None:
    assert await store.log.read(stream("nobody")) == []
    assert await store.log.head(stream("nobody")) == 0
    assert await store.log.version_at(stream("nobody"), 10) == 0


@pytest.mark.parametrize(("after", "limit"), [(-1, 1), (0, 0), (0, READ_RECORDS_MAX + 1)])
async def test_a_page_beyond_the_limits_is_refused(store: Store, after: int, limit: int) -> None:
    with pytest.raises(ValueError, match="page"):
        await store.log.read(stream("a"), after=after, limit=limit)
    with pytest.raises(ValueError, match="page"):
        await store.feed.read_feed(after=after, limit=limit)


async def test_a_page_has_256_records_at_the_most(store: Store) -> None:
    await store.log.append([StreamWrite(stream("a"), 0, drafts(200))])
    await store.log.append([StreamWrite(stream("a"), 200, drafts(200))])

    assert len(await store.log.read(stream("a"))) == READ_RECORDS_MAX
    assert len(await store.log.read(stream("a"), after=READ_RECORDS_MAX)) == 144


async def test_what_has_a_receipt_is_seen_by_the_next_read(store: Store) -> None:
    for version in range(50):
        await store.log.append([write("a", version)])
        assert await store.log.head(stream("a")) == version + 1
        assert len(await store.log.read(stream("a"), after=version)) == 1
        assert len(await store.feed.read_feed(after=version)) == 1


async def test_an_event_is_found_by_its_id(store: Store) -> None:
    wanted = draft(b"wanted", note="not stored")
    await store.log.append([write("a", 0), StreamWrite(stream("b"), 0, (draft(), wanted))])

    found = StoredRecord(3, stream("b"), 2, wanted.event_id, b"wanted", None)
    assert await store.log.find(wanted.event_id) == found
    assert await store.log.find(b"\x00" * 16) is None


@asynccontextmanager
async def reopened(disk: Disk) -> AsyncIterator[Store]:
    """Open the stores for one example: the log of the one before is still in them."""
    await disk.stores.open()
    try:
        async with running(disk.stores) as store:
            yield store
    finally:
        disk.stores.close()


@given(stored=st.lists(st.binary(max_size=80), min_size=1, max_size=30))
@FEW
async def test_bodies_come_back_byte_for_byte(disk: Disk, stored: list[bytes]) -> None:
    async with reopened(disk) as store:
        before = await store.log.head(stream("a"))
        await store.log.append([write("a", before, *stored)])

        page = await store.log.read(stream("a"), after=before)

    assert [record.body for record in page] == stored
    assert [record.version for record in page] == [before + n + 1 for n in range(len(stored))]


@given(order=st.lists(st.integers(0, 2), min_size=1, max_size=20))
@FEW
async def test_the_version_at_a_position_is_that_of_the_newest_record_until_there(
    disk: Disk, order: list[int]
) -> None:
    async with reopened(disk) as store:
        for number in order:
            head = await store.log.head(stream(f"s{number}"))
            await store.log.append([StreamWrite(stream(f"s{number}"), head, drafts(number + 1))])

        names = [stream(f"s{number}") for number in range(3)]
        newest = dict.fromkeys(names, 0)
        for record in await everything(store):
            newest[record.stream] = record.version
            for name in names:
                assert await store.log.version_at(name, record.position) == newest[name]
        for name in names:
            assert await store.log.version_at(name, 0) == 0
            assert await store.log.version_at(name, 10**12) == newest[name]
