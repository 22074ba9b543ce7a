"""An open stream ends with its key, however much there is to say."""

import time
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from engine.events.filters import TypeFilter
from engine.events.service import Start
from gateway.api.contract import NDJSON, SSE, Caller
from gateway.realtime.hub import Hub
from gateway.streams.open_streams import OpenStreams
from gateway.streams.stream import EventStream
from tests.support.desks import Desk, opened

LIFETIME_SECONDS = 600


def stream_of_a_key(desk: Desk, media_type: str) -> EventStream:
    """Follow everything with a key that ends after ``LIFETIME_SECONDS``."""
    expires_s = int(time.time()) + LIFETIME_SECONDS
    principal = replace(desk.staff, expires_s=expires_s)
    caller = Caller(principal, desk.environment, "ek_live_x", OpenStreams(), Hub())
    return EventStream(caller, media_type, start=Start(0), stream=None, types=TypeFilter())


@pytest.mark.parametrize("media_type", [SSE, NDJSON])
async def test_a_stream_whose_reader_is_slower_than_its_writer_ends_with_its_key(
    mock_clock: MockClock, media_type: str
) -> None:
    async with opened() as desk:
        await desk.post(desk.staff)
        chunks = stream_of_a_key(desk, media_type)
        texts = 0
        with trio.fail_after(LIFETIME_SECONDS * 3):
            async for chunk in chunks:
                texts += b"message.created" in chunk
                # Before the next chunk is asked for there is always one more event to tell.
                await desk.post(desk.staff)
                mock_clock.jump(LIFETIME_SECONDS / 5)
        assert texts in range(3, 7)
        assert desk.environment.bus._of_all == {}  # noqa: SLF001
