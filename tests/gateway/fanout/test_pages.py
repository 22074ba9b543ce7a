"""Pages of the log that rooms read: one read for all who want it, kept within bytes, and let go."""

import gc
import weakref

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.errors import ParleyError, StorageError
from engine.limits import REPLAY_PAGE_RECORDS
from engine.log.event import CUSTOMER, STAFF
from gateway.fanout.pages import Page, Pages
from tests.gateway.fanout.single_room import removal
from tests.gateway.realtime.clients import Client, Hall, hall
from tests.support.bounds import shorten
from tests.support.shelves import FRAME_BYTES, Room, Shelf, framed, shelf
from tests.support.tallies import event

LIMIT = 4


async def read(pages: Pages, room: Room, after: int = 0, limit: int = LIMIT) -> Page:
    return await pages.read(room, after=after, limit=limit)


class Reading:
    """Somebody who reads a page in a task of his own, and what came of it."""

    def __init__(self, pages: Pages, room: Room, after: int = 0) -> None:
        self.scope = trio.CancelScope()
        self.page: Page | None = None
        self.refusal: ParleyError | None = None
        self._wanted = (pages, room, after)

    async def run(self) -> None:
        with self.scope:
            try:
                self.page = await read(*self._wanted)
            except ParleyError as error:
                self.refusal = error


async def begun(nursery: trio.Nursery, *readings: Reading) -> None:
    """Let each ask in turn, and wait until none of them gets any further."""
    for reading in readings:
        nursery.start_soon(reading.run)
        await wait_all_tasks_blocked()


async def test_a_page_is_what_lies_behind_a_place_in_the_bytes_of_its_room() -> None:
    room, pages = Room(shelf(6)), Pages()
    page = await read(pages, room, after=1)
    (chunk,) = page.chunks
    assert chunk.joined == framed(2, 3, 4, 5)
    assert chunk.frames == ()
    assert (chunk.place, chunk.records, chunk.lost) == (5, 4, None)
    assert (page.full, page.size) == (True, 4 * FRAME_BYTES)
    rest = await read(pages, room, after=5)
    assert (rest.chunks[0].joined, rest.full) == (framed(6), False)


async def test_who_asks_for_a_page_that_is_being_read_causes_no_other_read() -> None:
    room, pages = Room(shelf()), Pages()
    room.log.hold()
    readings = [Reading(pages, room) for _ in range(3)]
    async with trio.open_nursery() as nursery:
        await begun(nursery, *readings)
        assert room.log.reads == [0]
        room.log.release()
    first = readings[0].page
    assert first is not None
    assert all(reading.page is first for reading in readings)
    assert room.log.reads == [0]


async def test_a_page_is_kept_for_the_next_who_wants_it() -> None:
    room, pages = Room(shelf()), Pages()
    page = await read(pages, room)
    assert await read(pages, room) is page
    assert room.log.reads == [0]
    assert pages.kept_bytes == LIMIT * FRAME_BYTES


async def test_another_place_another_size_and_another_room_are_other_pages() -> None:
    log, pages = shelf(), Pages()
    room, other = Room(log), Room(log, hidden={1})
    wanted = [(room, 0, LIMIT), (room, 1, LIMIT), (room, 0, 2), (other, 0, LIMIT)]
    for _ in range(2):
        found = [await read(pages, *one) for one in wanted]
        assert [page.chunks[0].joined for page in found] == [
            framed(1, 2, 3, 4),
            framed(2, 3, 4, 5),
            framed(1, 2),
            framed(2, 3, 4),
        ]
    assert log.reads == [0, 1, 0, 0]


async def test_no_page_outlives_an_event_that_its_room_has_heard_of() -> None:
    room, pages = Room(shelf()), Pages()
    before = await read(pages, room)
    room.newest = 9
    assert await read(pages, room) is not before
    assert room.log.reads == [0, 0]


async def test_what_is_read_from_before_an_event_is_not_waited_for_behind_it() -> None:
    room, pages = Room(shelf()), Pages()
    room.log.hold()
    before, behind = Reading(pages, room), Reading(pages, room)
    async with trio.open_nursery() as nursery:
        await begun(nursery, before)
        room.newest = 9
        await begun(nursery, behind)
        assert room.log.reads == [0, 0]
        room.log.release()
    assert before.page == behind.page
    assert before.page is not behind.page


async def test_a_read_that_fails_is_told_to_who_reads_and_one_of_the_others_tries_again() -> None:
    room, pages = Room(shelf()), Pages()
    room.log.hold()
    room.log.broken = True
    readings = [Reading(pages, room) for _ in range(3)]
    async with trio.open_nursery() as nursery:
        await begun(nursery, *readings)
        room.log.release()
        room.log.hold()
        await wait_all_tasks_blocked()
        assert room.log.reads == [0, 0]
        room.log.broken = False
        room.log.release()
    assert [reading.page is None for reading in readings] == [True, False, False]
    assert readings[0].refusal is not None
    assert readings[1].page is readings[2].page
    assert room.log.reads == [0, 0]


async def test_nothing_is_kept_of_a_read_that_failed() -> None:
    room, pages = Room(shelf()), Pages()
    room.log.broken = True
    for _ in range(2):
        with pytest.raises(StorageError):
            await read(pages, room)
    assert (room.log.reads, pages.kept_bytes) == ([0, 0], 0)
    room.log.broken = False
    assert (await read(pages, room)).size == LIMIT * FRAME_BYTES


async def test_who_leaves_while_it_reads_leaves_the_others_their_page() -> None:
    room, pages = Room(shelf()), Pages()
    room.log.hold()
    leaves, stays = Reading(pages, room), Reading(pages, room)
    async with trio.open_nursery() as nursery:
        await begun(nursery, leaves, stays)
        leaves.scope.cancel()
        await wait_all_tasks_blocked()
        assert room.log.reads == [0, 0]
        room.log.release()
    assert leaves.page is None
    assert stays.page == await read(pages, room)
    assert room.log.reads == [0, 0]


async def test_the_end_of_the_log_is_looked_for_each_time() -> None:
    room, pages = Room(shelf(2)), Pages()
    for _ in range(2):
        assert await read(pages, room, after=2) == Page((), full=False, size=0)
    assert room.log.reads == [2, 2]


async def test_a_room_that_nobody_holds_any_more_keeps_nothing() -> None:
    room, pages = Room(shelf()), Pages()
    room.log.hold()
    reading = Reading(pages, room)
    async with trio.open_nursery() as nursery:
        await begun(nursery, reading)
        room.holders = 0
        pages.forget(room)
        room.log.release()
    assert reading.page is not None
    assert pages.kept_bytes == 0


async def test_a_room_is_forgotten_with_all_its_pages_and_no_others() -> None:
    room, other, pages = Room(shelf()), Room(shelf()), Pages()
    for after in (0, 4):
        await read(pages, room, after)
        await read(pages, other, after)
    for _ in range(2):
        pages.forget(room)
        assert pages.kept_bytes == 2 * LIMIT * FRAME_BYTES
    for after in (0, 4):
        await read(pages, room, after)
        await read(pages, other, after)
    assert (room.log.reads, other.log.reads) == ([0, 4, 0, 4], [0, 4])


async def test_a_room_that_was_forgotten_is_freed() -> None:
    room, pages = Room(shelf()), Pages()
    await read(pages, room)
    freed = weakref.ref(room)
    pages.forget(room)
    del room
    gc.collect()
    assert freed() is None


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be room for four frames, and for pages of one."""
    shorten(monkeypatch, PAGES_KEPT_BYTES_MAX=4 * FRAME_BYTES)


@pytest.mark.usefixtures("four")
async def test_what_was_wanted_longest_ago_goes_first_when_there_is_no_room() -> None:
    room, pages = Room(shelf()), Pages()
    for after in (0, 1, 2, 3):
        await read(pages, room, after, limit=1)
    assert pages.kept_bytes == 4 * FRAME_BYTES
    await read(pages, room, 0, limit=1)
    await read(pages, room, 4, limit=1)
    assert pages.kept_bytes == 4 * FRAME_BYTES
    room.log.reads.clear()
    for after in (0, 2, 3, 4):
        await read(pages, room, after, limit=1)
    assert room.log.reads == []
    await read(pages, room, 1, limit=1)
    assert room.log.reads == [1]
    assert len(pages._of_room[room]) == 4  # noqa: SLF001 - what has gone is remembered nowhere


@pytest.mark.usefixtures("four")
async def test_a_page_of_more_than_a_quarter_of_the_room_is_not_kept() -> None:
    room, pages = Room(shelf()), Pages()
    await read(pages, room, 0, limit=1)
    for _ in range(2):
        assert (await read(pages, room, 0, limit=2)).size == 2 * FRAME_BYTES
    assert pages.kept_bytes == FRAME_BYTES
    assert room.log.reads == [0, 0, 0]


async def test_pages_without_anything_to_send_are_bounded_in_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shorten(monkeypatch, PAGES_KEPT_MAX=3)
    room, pages = Room(shelf(), hidden=range(10)), Pages()
    for after in (0, 1, 2, 3):
        await read(pages, room, after, limit=1)
    assert (len(pages), pages.kept_bytes) == (3, 0)
    room.log.reads.clear()
    await read(pages, room, 0, limit=1)
    assert room.log.reads == [0]


@pytest.mark.usefixtures("four")
async def test_what_has_made_room_is_not_let_go_a_second_time() -> None:
    room, other, pages = Room(shelf()), Room(shelf()), Pages()
    for after in (0, 1, 2, 3):
        await read(pages, room, after, limit=1)
    for after in (0, 1, 2):
        await read(pages, other, after, limit=1)
    assert pages.kept_bytes == 4 * FRAME_BYTES
    pages.forget(room)
    assert pages.kept_bytes == 3 * FRAME_BYTES
    pages.forget(other)
    assert pages.kept_bytes == 0


async def test_a_page_comes_in_pieces_each_for_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, RESUME_CHUNK_BYTES=3 * FRAME_BYTES)
    room = Room(shelf(7))
    page = await read(Pages(), room, limit=8)
    assert [chunk.joined for chunk in page.chunks] == [framed(1, 2, 3), framed(4, 5, 6), framed(7)]
    assert [(chunk.place, chunk.records) for chunk in page.chunks] == [(3, 3), (6, 6), (7, 7)]
    assert (page.full, page.size) == (False, 7 * FRAME_BYTES)


async def test_what_is_not_for_a_room_is_passed_over_and_counted() -> None:
    room, pages = Room(shelf(6), hidden={1, 3, 4, 5, 6}, joinable=False), Pages()
    page = await read(pages, room)
    assert (page.chunks[0].joined, page.chunks[0].frames) == (framed(2), (framed(2),))
    assert (page.chunks[0].place, page.chunks[0].records, page.full) == (4, 4, True)
    rest = await read(pages, room, after=4)
    assert (rest.chunks[0].joined, rest.chunks[0].place, rest.full) == (b"", 6, False)


async def test_a_customers_page_ends_with_a_removal_and_says_so() -> None:
    log = Shelf(event(1), removal(2), event(3))
    page = await read(Pages(), Room(log, audience=CUSTOMER))
    (chunk,) = page.chunks
    assert (chunk.joined, chunk.place, chunk.lost) == (framed(1, 2), 2, 2)
    behind = await read(Pages(), Room(log, audience=CUSTOMER), after=2)
    assert (behind.chunks[0].joined, behind.chunks[0].lost) == (framed(3), None)


@pytest.mark.parametrize(("audience", "whole"), [(STAFF, False), (CUSTOMER, True)])
async def test_a_removal_ends_no_page_of_staff_and_none_of_the_whole_environment(
    audience: str, *, whole: bool
) -> None:
    log = Shelf(event(1), removal(2), event(3))
    page = await read(Pages(), Room(log, audience=audience, whole=whole))
    assert [(chunk.joined, chunk.lost) for chunk in page.chunks] == [(framed(1, 2, 3), None)]


RESUMING = 20


async def test_all_who_resume_from_the_same_place_cause_one_read_a_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with hall() as h:
        await h.write(REPLAY_PAGE_RECORDS)
        await h.write(REPLAY_PAGE_RECORDS // 2)
        places = reads_of(h, monkeypatch)
        clients = [Client() for _ in range(RESUMING)]
        for client in clients:
            h.follow(client)
        await wait_all_tasks_blocked()
        expected = list(range(1, 3 * REPLAY_PAGE_RECORDS // 2 + 1))
        assert [client.versions for client in clients] == [expected] * RESUMING
        assert places == [0, REPLAY_PAGE_RECORDS]


async def test_who_resumes_later_reads_nothing_again_as_long_as_somebody_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with hall() as h:
        await h.write(3)
        places = reads_of(h, monkeypatch)
        first, second, third = Client(), Client(), Client()
        followed = [h.follow(first)]
        await wait_all_tasks_blocked()
        followed.append(h.follow(second))
        await wait_all_tasks_blocked()
        assert places == [0]
        for subscription in followed:
            subscription.end()
        assert h.rooms.pages.kept_bytes == 0
        h.follow(third)
        await wait_all_tasks_blocked()
        assert places == [0, 0]
        assert first.versions == second.versions == third.versions == [1, 2, 3]


def reads_of(h: Hall, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the place behind which each page of a stream is read."""
    places: list[int] = []
    whole = h.tallies.log.read

    async def noted(*args: object, after: int = 0, limit: int) -> object:
        places.append(after)
        return await whole(*args, after=after, limit=limit)  # type: ignore[arg-type]

    monkeypatch.setattr(h.tallies.log, "read", noted)
    return places
