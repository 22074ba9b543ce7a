"""Pages that are kept for the next who wants them: read once, and counted as they lie in memory."""

import pytest
from trio.testing import wait_all_tasks_blocked

from engine.events.filters import TypeFilter
from gateway.fanout import pages
from gateway.fanout.forms import Form
from gateway.fanout.rooms import Room, RoomName
from tests.gateway.realtime.clients import STAFF, VERSIONS, Client, Hall, hall
from tests.support.tallies import tally

APART = Form("versions, apart", VERSIONS.frame, joinable=False)


def held(h: Hall, form: Form) -> Room:
    return h.rooms.hold(RoomName(tally(), form, STAFF, TypeFilter()))


async def test_frames_that_may_be_joined_lie_in_memory_once() -> None:
    async with hall() as h:
        await h.write(3)
        (chunk,) = (await h.rooms.read(held(h, VERSIONS), after=0, limit=10)).chunks
        assert (chunk.joined, chunk.frames) == (b"a:1 a:2 a:3 ", ())
        assert h.rooms.pages.kept_bytes == 12


async def test_frames_that_are_kept_apart_are_counted_twice() -> None:
    async with hall() as h:
        await h.write(3)
        (chunk,) = (await h.rooms.read(held(h, APART), after=0, limit=10)).chunks
        assert (chunk.joined, chunk.frames) == (b"a:1 a:2 a:3 ", (b"a:1 ", b"a:2 ", b"a:3 "))
        assert h.rooms.pages.kept_bytes == 24


async def test_one_frame_alone_is_the_same_bytes_both_ways() -> None:
    async with hall() as h:
        await h.write(1)
        (chunk,) = (await h.rooms.read(held(h, APART), after=0, limit=10)).chunks
        assert chunk.frames[0] is chunk.joined
        assert h.rooms.pages.kept_bytes == 4


async def test_a_client_whose_frames_may_not_be_joined_is_given_each() -> None:
    class Apart(Client):
        def take(self, joined: bytes, frames: object) -> bool:
            assert isinstance(frames, tuple)
            self.batches += frames
            return bool(joined)

    async with hall() as h:
        await h.write(2)
        client = Apart()
        h.follow(client, form=APART)
        await wait_all_tasks_blocked()
        assert client.batches == [b"a:1 ", b"a:2 "]


async def test_no_more_bytes_are_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGES_KEPT_BYTES_MAX", 40)
    async with hall() as h:
        await h.write(8)
        room = held(h, VERSIONS)
        for after in range(6):
            await h.rooms.read(room, after=after, limit=2)
        assert h.rooms.pages.kept_bytes == 40
        await h.rooms.read(room, after=0, limit=3)
        assert h.rooms.pages.kept_bytes == 40, "a page larger than a quarter is not kept"
        h.rooms.release(room)
        assert h.rooms.pages.kept_bytes == 0
