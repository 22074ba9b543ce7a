"""The feed: every record once, in position order, and word of each commit."""

import trio

from persistence.protocols.store import Store, Stores
from persistence.records import StoredRecord, StreamWrite
from tests.support.disks import running
from tests.support.drafts import Heard, draft, drafts, stream, write


async def test_the_feed_of_an_empty_log_is_empty(store: Store) -> None:
    assert store.feed.committed() == 0
    assert await store.feed.read_feed() == []


async def test_the_feed_pages_through_all_streams_in_position_order(store: Store) -> None:
    await store.log.append([write("a", 0, b"1", b"2"), write("b", 0, b"3")])
    await store.log.append([write("a", 2, b"4")])

    first = await store.feed.read_feed(limit=3)
    rest = await store.feed.read_feed(after=3)

    assert [(r.position, r.stream.name, r.version, r.body) for r in first + rest] == [
        (1, "a", 1, b"1"),
        (2, "a", 2, b"2"),
        (3, "b", 1, b"3"),
        (4, "a", 3, b"4"),
    ]
    assert await store.feed.read_feed(after=4) == []


async def test_listeners_get_the_notes_and_readers_do_not(store: Store) -> None:
    told: list[StoredRecord] = []
    store.feed.listen(told.extend)
    note = object()
    noted = draft(b"body", note)

    await store.log.append([StreamWrite(stream("a"), 0, (noted,))])
    await store.log.append([write("a", 1)])

    assert told[0] == StoredRecord(1, stream("a"), 1, noted.event_id, b"body", note)
    assert told[0].note is note
    assert [record.note for record in await store.feed.read_feed()] == [None, None]
    assert [record.note for record in await store.log.read(stream("a"))] == [None, None]


async def test_a_listener_hears_every_record_once_and_in_order(store: Store) -> None:
    told: list[StoredRecord] = []
    store.feed.listen(told.extend)

    async def append(name: str) -> None:
        for version in range(10):
            await store.log.append([write(name, version)])

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(append, f"s{number}")
    await store.log.append([StreamWrite(stream("end"), 0, drafts(1))])

    assert [record.position for record in told[:50]] == list(range(1, 51))


async def test_who_ends_listening_hears_nothing_more(store: Store) -> None:
    heard = Heard()
    unlisten = store.feed.listen(heard.listener("gone"))
    store.feed.listen(heard.listener("there"))
    unlisten()
    unlisten()

    await store.log.append([write("a", 0)])
    await store.log.append([write("a", 1)])

    assert set(heard.names) == {"there"}


async def test_a_listener_may_end_another_one_that_was_about_to_be_called(store: Store) -> None:
    heard = Heard()
    store.feed.listen(lambda _: unlisten())
    unlisten = store.feed.listen(heard.listener("ended"))

    await store.log.append([write("a", 0)])
    await store.log.append([write("a", 1)])

    assert heard.names == []


async def test_who_begins_inside_a_listener_misses_nothing_and_hears_nothing_twice(
    store: Store,
) -> None:
    late: list[int] = []
    began_at: list[int] = []

    def begin(_: object) -> None:
        if not began_at:
            began_at.append(store.feed.committed())
            store.feed.listen(lambda records: late.extend(r.position for r in records))

    store.feed.listen(begin)
    await store.log.append([write("a", 0, b"1", b"2")])
    await store.log.append([write("a", 2, b"3")])
    await store.log.append([write("a", 3, b"4")])

    assert began_at == [2]
    assert late[0] == 3


async def test_the_end_of_the_feed_has_not_moved_when_the_receipt_comes(store: Store) -> None:
    seen: list[int] = []
    told = trio.Event()
    store.feed.listen(lambda _: told.set())

    store.log.submit([write("a", 0)], lambda _: seen.append(store.feed.committed()))
    await told.wait()

    assert seen == [0]
    assert store.feed.committed() == 1


async def test_a_reopened_feed_goes_on_where_it_ended(stores: Stores) -> None:
    async with running(stores) as store:
        await store.log.append([write("a", 0, b"1", b"2")])
    async with running(stores) as store:
        told: list[StoredRecord] = []
        store.feed.listen(told.extend)
        assert store.feed.committed() == 2
        await store.log.append([write("a", 2, b"3")])
        await store.log.append([write("a", 3, b"4")])
        assert told[0].position == 3


async def test_environments_share_no_position_and_no_listener(stores: Stores) -> None:
    async with running(stores) as live, running(stores, environment="test") as test:
        heard = Heard()
        live.feed.listen(heard.listener("live"))
        [appended] = await test.log.append([write("a", 0)])
        assert appended.position == 1
        assert await live.feed.read_feed() == []
        assert heard.names == []
