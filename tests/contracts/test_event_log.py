"""Appends: atomic, in order, durable, refused without a trace."""

import pytest
import trio
import trio.testing

from persistence.errors import StoreBusyError, StoreUnavailableError, VersionConflictError
from persistence.limits import (
    BODY_BYTES_MAX,
    COMMIT_ROWS_MAX,
    DRAFTS_PER_WRITE_MAX,
    PENDING_BYTES_MAX,
    PENDING_ROWS_MAX,
    WRITES_PER_SUBMIT_MAX,
)
from persistence.protocols.store import Store, Stores
from persistence.records import EPOCH_ALPHABET, Appended, Draft, StreamWrite
from tests.support.disks import Disk, everything, running
from tests.support.drafts import Heard, draft, drafts, stream, write


async def bodies(store: Store, name: str) -> list[bytes]:
    """Return what is stored in one stream."""
    return [record.body for record in await store.log.read(stream(name))]


async def test_a_receipt_says_where_the_last_draft_of_each_write_is(store: Store) -> None:
    await store.log.append([write("a", 0, b"1", b"2")])

    receipt = await store.log.append([write("b", 0, b"3"), write("a", 2, b"4", b"5")])

    assert receipt == (Appended(stream("b"), 1, 3), Appended(stream("a"), 4, 5))
    assert await bodies(store, "a") == [b"1", b"2", b"4", b"5"]
    assert await bodies(store, "b") == [b"3"]


async def test_a_conflict_in_one_stream_keeps_the_whole_submit_out(store: Store) -> None:
    await store.log.append([write("a", 0)])

    with pytest.raises(VersionConflictError) as caught:
        await store.log.append([write("b", 0), write("a", 0)])

    assert (caught.value.stream, caught.value.expected, caught.value.current) == (stream("a"), 0, 1)
    assert await store.log.head(stream("a")) == 1
    assert await store.log.head(stream("b")) == 0
    assert await store.log.append([write("b", 0)]) == (Appended(stream("b"), 1, 2),)


@pytest.mark.parametrize("expected", [1, 2, 100])
async def test_a_version_that_is_not_reached_yet_is_a_conflict(store: Store, expected: int) -> None:
    with pytest.raises(VersionConflictError):
        await store.log.append([write("a", expected)])

    assert await store.log.head(stream("a")) == 0


async def test_a_refused_submit_leaves_its_neighbours_alone(store: Store) -> None:
    heard = Heard()

    store.log.submit([write("a", 0, b"first")], heard.receipt("first"))
    with pytest.raises(VersionConflictError):
        store.log.submit([write("a", 0, b"refused")], heard.receipt("refused"))
    with pytest.raises(ValueError, match="0 writes"):
        store.log.submit([], heard.receipt("refused"))
    store.log.submit([write("a", 1, b"second")], heard.receipt("second"))
    await store.log.append([write("b", 0)])

    assert heard.names == ["first", "second"]
    assert await bodies(store, "a") == [b"first", b"second"]


async def test_versions_are_checked_against_submits_that_are_not_committed(
    store: Store, disk: Disk
) -> None:
    heard = Heard()
    disk.hold()
    store.log.submit([write("a", 0)], heard.receipt("in flight"))
    await disk.wait_held()
    store.log.submit([write("a", 1)], heard.receipt("waiting"))

    with pytest.raises(VersionConflictError) as caught:
        store.log.submit([write("a", 0)], heard.receipt("refused"))

    assert caught.value.current == 2
    assert await store.log.head(stream("a")) == 0, "a head that is not committed was given out"
    disk.release()
    await store.log.append([write("a", 2)])
    assert heard.names == ["in flight", "waiting"]


async def test_receipts_come_in_submit_order_then_the_listeners(store: Store) -> None:
    heard = Heard()
    store.feed.listen(heard.listener("listener"))

    for number in range(3):
        store.log.submit([write(f"s{number}", 0)], heard.receipt(f"receipt {number}"))
    assert heard.names == [], "a receipt came from inside submit"
    await store.log.append([write("end", 0)])

    assert heard.names == ["receipt 0", "receipt 1", "receipt 2", "listener"]


async def test_a_submit_from_inside_a_receipt_is_answered_later(store: Store) -> None:
    heard = Heard()
    answered = trio.Event()

    def first(_: object) -> None:
        store.log.submit([write("a", 1)], second)
        heard.calls.append(("first ends", None))

    def second(_: object) -> None:
        heard.calls.append(("second", None))
        answered.set()

    store.log.submit([write("a", 0)], first)
    await answered.wait()

    assert heard.names == ["first ends", "second"]


async def test_nothing_is_answered_before_the_disk_has_it(store: Store, disk: Disk) -> None:
    heard = Heard()
    store.feed.listen(heard.listener("listener"))
    disk.hold()
    store.log.submit([write("a", 0)], heard.receipt("receipt"))
    await disk.wait_held()
    await trio.testing.wait_all_tasks_blocked()

    assert heard.names == []
    assert await bodies(store, "a") == []
    assert store.feed.committed() == 0

    disk.release()
    await store.log.append([write("b", 0)])
    assert heard.names[:2] == ["receipt", "listener"]


async def test_what_comes_during_a_commit_shares_the_next_one(store: Store, disk: Disk) -> None:
    batches: list[list[int]] = []
    store.feed.listen(lambda records: batches.append([record.position for record in records]))
    disk.hold()
    store.log.submit([write("a", 0)], Heard().receipt("a"))
    await disk.wait_held()
    store.log.submit([write("b", 0)], Heard().receipt("b"))
    store.log.submit([write("c", 0)], Heard().receipt("c"))
    disk.release()
    await store.log.append([write("d", 0)])

    assert batches == [[1], [2, 3, 4]]


async def test_a_commit_holds_whole_submits_up_to_its_bound(store: Store) -> None:
    batches: list[int] = []
    store.feed.listen(lambda records: batches.append(len(records)))
    heard = Heard()

    for number in range(5):
        store.log.submit([StreamWrite(stream(f"{number}"), 0, drafts(250))], heard.receipt("x"))
    await store.log.append([StreamWrite(stream(f"n{n}"), 0, drafts(200)) for n in range(6)])

    assert batches == [1000, 250, 1200]
    assert COMMIT_ROWS_MAX == 1024


async def test_positions_and_versions_are_dense_however_many_append(store: Store) -> None:
    positions: list[int] = []

    async def append_one_by_one(name: str) -> None:
        for version in range(0, 20, 2):
            [appended] = await store.log.append([write(name, version, b"x", b"y")])
            assert appended.version == version + 2
            positions.append(appended.position)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(append_one_by_one, f"s{number}")

    records = await everything(store)
    assert [record.position for record in records] == list(range(1, 161))
    assert sorted(positions) == list(range(2, 161, 2))
    for number in range(8):
        mine = [record for record in records if record.stream == stream(f"s{number}")]
        assert [record.version for record in mine] == list(range(1, 21))


BAD_WRITES = {
    "no write": [],
    "too many writes": [write(f"{number}", 0) for number in range(WRITES_PER_SUBMIT_MAX + 1)],
    "no draft": [StreamWrite(stream("a"), 0, ())],
    "too many drafts": [StreamWrite(stream("a"), 0, drafts(DRAFTS_PER_WRITE_MAX + 1))],
    "body too long": [write("a", 0, b"x" * (BODY_BYTES_MAX + 1))],
    "event id too short": [StreamWrite(stream("a"), 0, (Draft(b"short", b"body"),))],
    "a stream twice": [write("a", 0), write("a", 0)],
    "an id twice in a write": [StreamWrite(stream("a"), 0, (draft(),) * 2)],
    "an id twice in two writes": [
        StreamWrite(stream(name), 0, (Draft(b"i" * 16, b"body"),)) for name in "ab"
    ],
    "more rows than may wait": [
        StreamWrite(stream(f"{number}"), 0, drafts(DRAFTS_PER_WRITE_MAX)) for number in range(33)
    ],
}


@pytest.mark.parametrize("name", BAD_WRITES)
async def test_writes_beyond_a_limit_are_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        await store.log.append(BAD_WRITES[name])

    assert await store.log.append([write("after", 0)]) == (Appended(stream("after"), 1, 1),)


async def test_writes_at_every_limit_are_taken(store: Store) -> None:
    await store.log.append([write(f"s{number}", 0) for number in range(WRITES_PER_SUBMIT_MAX)])
    await store.log.append([StreamWrite(stream("a"), 0, drafts(DRAFTS_PER_WRITE_MAX))])
    await store.log.append([write("b", 0, b"\x00" * BODY_BYTES_MAX, b"")])

    assert await bodies(store, "b") == [b"\x00" * BODY_BYTES_MAX, b""]


async def test_an_event_id_that_waits_is_refused(store: Store) -> None:
    twice = draft()
    heard = Heard()
    store.log.submit([StreamWrite(stream("a"), 0, (twice,))], heard.receipt("first"))

    with pytest.raises(ValueError, match="event id"):
        store.log.submit([StreamWrite(stream("b"), 0, (twice,))], heard.receipt("second"))

    await store.log.append([write("b", 0)])
    assert heard.names == ["first"]


async def test_an_event_id_that_is_stored_is_never_stored_again(store: Store) -> None:
    twice = draft(b"the first")
    await store.log.append([StreamWrite(stream("a"), 0, (twice,))])

    with pytest.raises(StoreUnavailableError):
        await store.log.append([write("c", 0), StreamWrite(stream("b"), 0, (twice,))])

    assert [record.body for record in await everything(store)] == [b"the first"]
    assert await store.log.append([write("b", 0)]) == (Appended(stream("b"), 1, 2),)


async def test_too_many_rows_waiting_is_busy_until_they_are_committed(store: Store) -> None:
    heard = Heard()
    all_taken = trio.Event()
    writes = PENDING_ROWS_MAX // DRAFTS_PER_WRITE_MAX

    def taken(answer: tuple[Appended, ...] | Exception) -> None:
        heard.calls.append(("taken", answer))
        if len(heard.names) == writes:
            all_taken.set()

    for number in range(writes):
        full = StreamWrite(stream(f"s{number}"), 0, drafts(DRAFTS_PER_WRITE_MAX))
        store.log.submit([full], taken)

    with pytest.raises(StoreBusyError):
        store.log.submit([write("a", 0)], heard.receipt("refused"))

    await all_taken.wait()
    assert await store.log.append([write("a", 0)]) == (
        Appended(stream("a"), 1, PENDING_ROWS_MAX + 1),
    )
    assert set(heard.names) == {"taken"}


async def test_too_many_bytes_waiting_is_busy(store: Store) -> None:
    heard = Heard()
    body = b"\x00" * BODY_BYTES_MAX
    for number in range(PENDING_BYTES_MAX // BODY_BYTES_MAX):
        store.log.submit([write(f"s{number}", 0, body)], heard.receipt("taken"))

    with pytest.raises(StoreBusyError):
        store.log.submit([write("a", 0, b"x")], heard.receipt("refused"))


async def test_a_store_that_does_not_run_refuses_submits(stores: Stores) -> None:
    store = stores.store("acme", "live")
    with pytest.raises(StoreUnavailableError):
        store.log.submit([write("a", 0)], Heard().receipt("never"))

    async with running(stores) as store:
        pass

    with pytest.raises(StoreUnavailableError):
        await store.log.append([write("a", 0)])
    with pytest.raises(StoreUnavailableError):
        await store.log.read(stream("a"))
    with pytest.raises(StoreUnavailableError):
        await store.feed.read_feed()


async def test_a_cancelled_append_is_in_the_log_as_a_whole(store: Store, disk: Disk) -> None:
    disk.hold()
    with trio.CancelScope() as caller:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.log.append, [write("a", 0, b"1", b"2"), write("b", 0, b"3")])
            await disk.wait_held()
            caller.cancel()
    assert caller.cancelled_caught

    disk.release()
    await store.log.append([write("c", 0)])
    assert await bodies(store, "a") == [b"1", b"2"]
    assert await bodies(store, "b") == [b"3"]


async def test_the_epoch_is_drawn_once_for_each_environment(stores: Stores) -> None:
    async with running(stores) as store, running(stores, environment="test") as other:
        first, second = store.log.epoch, other.log.epoch
    async with running(stores) as store:
        assert store.log.epoch == first

    assert first != second
    assert len(first) == 8
    assert set(first) <= set(EPOCH_ALPHABET)
