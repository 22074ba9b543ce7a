"""Records that are about earlier ones: found by what they are about, and marking it outdated."""

import pytest
from msgspec.structs import replace

from persistence.limits import READ_RECORDS_MAX
from persistence.protocols.store import Store
from persistence.records import Draft, StreamWrite
from tests.support.drafts import draft, stream, write


def about(first: Draft, body: bytes) -> Draft:
    """Return a draft about ``first``."""
    return replace(draft(body), about=first.event_id)


async def test_what_was_said_about_a_record_is_found_by_it(store: Store) -> None:
    first, other = draft(b"first"), draft(b"other")
    await store.log.append([StreamWrite(stream("a"), 0, (first, other, about(first, b"1")))])
    await store.log.append([StreamWrite(stream("a"), 3, (about(other, b"2"), about(first, b"3")))])

    found = await store.log.about([first.event_id])
    both = await store.log.about([other.event_id, first.event_id])

    assert [(record.version, record.body) for record in found] == [(3, b"1"), (5, b"3")]
    assert [record.about for record in found] == [first.event_id] * 2
    assert [record.body for record in both] == [b"1", b"2", b"3"]
    assert await store.log.about([draft().event_id]) == []
    assert await store.log.about([]) == []


async def test_what_was_said_about_a_record_is_read_in_pages(store: Store) -> None:
    first = draft()
    later = tuple(about(first, b"%d" % number) for number in range(5))
    await store.log.append([StreamWrite(stream("a"), 0, (first, *later))])

    begin = await store.log.about([first.event_id], limit=2)
    rest = await store.log.about([first.event_id], after=begin[-1].position)

    assert [record.body for record in (*begin, *rest)] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_record_is_outdated_once_a_later_one_is_about_it(store: Store) -> None:
    first, other = draft(), draft()
    change = about(first, b"change")
    await store.log.append([StreamWrite(stream("a"), 0, (first, other))])
    assert not any(record.outdated for record in await store.log.read(stream("a")))

    await store.log.append([StreamWrite(stream("a"), 2, (change, about(first, b"newest")))])

    outdated = [True, False, True, False]
    page = await store.log.read(stream("a"))
    newest_first = await store.log.read(stream("a"), newest_first=True)
    assert [record.outdated for record in page] == outdated
    assert [record.outdated for record in newest_first] == outdated[::-1]
    assert [record.outdated for record in await store.feed.read_feed()] == outdated
    for record in page:
        assert await store.log.find(record.event_id) == record


async def test_a_record_is_withdrawn_with_all_that_was_said_about_it_before(store: Store) -> None:
    first, other = draft(b"first"), draft(b"other")
    earlier = about(first, b"earlier")
    await store.log.append([StreamWrite(stream("a"), 0, (first, other, earlier))])
    assert not any(record.withdrawn for record in await store.log.read(stream("a")))

    redaction = replace(about(first, b"redaction"), withdraws=True)
    await store.log.append([StreamWrite(stream("a"), 3, (redaction, about(other, b"harmless")))])
    await store.log.append([StreamWrite(stream("a"), 5, (about(first, b"later"),))])

    outdated = [True, True, True, True, False, False]
    withdrawn = [True, False, True, False, False, False]
    for page in (
        await store.log.read(stream("a")),
        (await store.log.read(stream("a"), newest_first=True))[::-1],
        await store.feed.read_feed(),
    ):
        assert [record.outdated for record in page] == outdated
        assert [record.withdrawn for record in page] == withdrawn
        for record in page:
            assert await store.log.find(record.event_id) == record
    said = await store.log.about([first.event_id, other.event_id])
    assert [(record.body, record.withdrawn) for record in said] == [
        (b"earlier", True),
        (b"redaction", False),
        (b"harmless", False),
        (b"later", False),
    ]


async def test_what_is_said_later_is_withdrawn_by_a_later_redaction_alone(store: Store) -> None:
    first = draft()
    redaction = replace(about(first, b"redaction"), withdraws=True)
    again = replace(about(first, b"again"), withdraws=True)
    drafts = (first, redaction, about(first, b"later"), again)
    await store.log.append([StreamWrite(stream("a"), 0, drafts)])

    page = await store.log.read(stream("a"))

    assert [record.withdrawn for record in page] == [True, True, True, False]


async def test_a_record_about_nothing_withdraws_nothing(store: Store) -> None:
    loner = replace(draft(), withdraws=True)
    await store.log.append([StreamWrite(stream("a"), 0, (draft(), loner, draft()))])

    page = await store.log.read(stream("a"))

    assert not any(record.withdrawn or record.outdated for record in page)


async def test_a_receipt_tells_listeners_what_a_record_is_about(store: Store) -> None:
    heard: list[bytes | None] = []
    store.feed.listen(lambda records: heard.extend(record.about for record in records))
    first = draft()

    await store.log.append([StreamWrite(stream("a"), 0, (first, about(first, b"change")))])

    assert heard == [None, first.event_id]


async def test_a_record_may_only_be_about_an_event_id(store: Store) -> None:
    with pytest.raises(ValueError, match="event id"):
        await store.log.append([StreamWrite(stream("a"), 0, (replace(draft(), about=b"short"),))])
    with pytest.raises(ValueError, match="event ids"):
        await store.log.about([b"short"])
    with pytest.raises(ValueError, match="event ids"):
        await store.log.about([bytes(16)] * (READ_RECORDS_MAX + 1))
    assert await store.log.append([write("a", 0)])
