"""A stream as the bytes of a Quart answer: let go whichever way the answer ends."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.fanout.outlet import StreamOutlet
from gateway.limits import OUTBOUND_ANSWER_BYTES_MAX, OUTBOUND_BYTES_MAX
from gateway.quart_app.stream import QuartStream


class Source:
    """An open stream that the test feeds."""

    def __init__(self) -> None:
        self.outlet: StreamOutlet | None = None
        self.lost_times = 0

    def open(self, outlet: StreamOutlet) -> None:
        assert not outlet.chunked
        self.outlet = outlet

    def lost(self) -> None:
        self.lost_times += 1


async def test_what_waits_is_one_chunk_of_the_answer() -> None:
    source = Source()
    chunks = QuartStream(source)
    assert source.outlet is chunks
    chunks.answer(b"1")
    chunks.take(b"23", (b"2", b"3"))
    assert await anext(chunks) == b"123"
    chunks.answer(b"4")
    chunks.finish()
    assert [chunk async for chunk in chunks] == [b"4"]
    assert source.lost_times == 1


async def test_a_client_that_reads_too_little_ends_the_answer() -> None:
    source = Source()
    chunks = QuartStream(source)
    for _ in range(2):
        chunks.answer(b"x" * (OUTBOUND_BYTES_MAX + OUTBOUND_ANSWER_BYTES_MAX))
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)
    assert source.lost_times == 1


async def test_a_client_that_leaves_lets_the_stream_go() -> None:
    source = Source()
    chunks = QuartStream(source)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(anext, chunks)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert source.lost_times == 1
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)


async def test_an_answer_that_was_never_read_lets_the_stream_go_too() -> None:
    source = Source()
    chunks = QuartStream(source)
    chunks.answer(b"never read")
    await chunks.aclose()
    assert source.lost_times == 1
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)
