"""Quart behind the bridge: whole answers, streams, uploads, and peers that leave."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from quart import Response, request
from quart_trio import QuartTrio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.server.asgi import BrokenOffError, respond
from gateway.server.asgi_lifespan import lifespan
from tests.gateway.server.exchanges import Asked, Peer, answered

CHUNKS = 2_000


class Shop:
    """An application with a page of each kind, and what has become of its handlers."""

    def __init__(self) -> None:
        self.app = QuartTrio("shop", static_folder=None)
        self.app.config["RESPONSE_TIMEOUT"] = None
        self.made = 0
        self.left_behind = 0
        for name in ("hello", "stream", "breaks", "upload", "echo", "nothing", "waits", "fails"):
            view = getattr(self, name)
            self.app.add_url_rule(f"/{name}", name, view, methods=["GET", "POST"])

    async def hello(self) -> Response:
        return Response(f"hello {request.args.get('name')}", headers={"X-One": "1"})

    async def stream(self) -> Response:
        return Response(self._chunks(CHUNKS))

    async def breaks(self) -> Response:
        async def chunks() -> AsyncIterator[bytes]:  # noqa: ASYNC900 - Quart takes them so
            yield b"half"
            raise OSError("the disk is gone")

        return Response(chunks())

    async def upload(self) -> Response:
        return Response(await request.get_data(as_text=False))

    async def echo(self) -> Response:
        sizes = [len(chunk) async for chunk in request.body]
        return Response(f"{sum(sizes)} bytes")

    async def nothing(self) -> Response:
        return Response(b"", 204)

    async def waits(self) -> Response:
        try:
            await trio.sleep_forever()
        finally:
            self.left_behind += 1

    async def fails(self) -> Response:
        raise LookupError

    async def _chunks(  # noqa: ASYNC900 - Quart takes them so
        self, count: int
    ) -> AsyncIterator[bytes]:
        try:
            for number in range(count):
                self.made += 1
                yield b"%d\n" % number
        finally:
            self.left_behind += 1


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def test_a_whole_answer(shop: Shop) -> None:
    peer = await answered(shop.app, Asked(raw_path="/hello", query="name=%C3%BC"))
    assert (peer.status, peer.ended) == (200, True)
    assert (peer.header(b"x-one"), peer.header(b"content-length")) == (b"1", b"8")
    assert await peer.reads() == "hello ü".encode()


async def test_a_head_has_the_headers_alone(shop: Shop) -> None:
    peer = await answered(shop.app, Asked("HEAD", "/hello", "name=x"))
    assert (peer.status, peer.header(b"content-length"), peer.ended) == (200, b"7", True)
    assert await peer.reads() == b""


async def test_an_answer_without_content(shop: Shop) -> None:
    peer = await answered(shop.app, Asked(raw_path="/nothing"))
    assert (peer.status, peer.ended, await peer.reads()) == (204, True, b"")
    assert peer.header(b"content-length") is None


async def test_a_stream_of_many_chunks_arrives_in_order(shop: Shop) -> None:
    peer = await answered(shop.app, Asked(raw_path="/stream"))
    assert (await peer.reads()).split() == [b"%d" % number for number in range(CHUNKS)]
    assert (peer.ended, shop.left_behind) == (True, 1)


async def test_a_stream_waits_for_a_slow_reader(shop: Shop) -> None:
    peer = Peer(unread_parts_max=4).sends()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(respond, shop.app, Asked(raw_path="/stream").scope, peer)
        await wait_all_tasks_blocked()
        assert shop.made == 5
        assert (await peer.reads()).count(b"\n") == CHUNKS
    assert peer.ended


async def test_a_peer_that_leaves_amid_a_stream_ends_it(
    shop: Shop, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    peer = Peer(unread_parts_max=4).sends()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(respond, shop.app, Asked(raw_path="/stream").scope, peer)
        await wait_all_tasks_blocked()
        peer.left.set()
    assert (shop.made, shop.left_behind, peer.ended) == (5, 1, False)
    assert autojump_clock.current_time() == 0
    assert caplog.records == []


async def test_a_peer_that_leaves_before_the_answer_ends_the_handler(
    shop: Shop, autojump_clock: MockClock
) -> None:
    peer = Peer().sends()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(respond, shop.app, Asked(raw_path="/waits").scope, peer)
        await wait_all_tasks_blocked()
        assert shop.left_behind == 0
        peer.left.set()
    assert (shop.left_behind, peer.status) == (1, None)
    assert autojump_clock.current_time() == 0


async def test_a_body_in_many_chunks_is_one_body(shop: Shop) -> None:
    chunks = [b"%d," % number for number in range(500)]
    peer = await answered(shop.app, Asked("POST", "/upload"), Peer().sends(*chunks))
    assert await peer.reads() == b"".join(chunks)


async def test_a_body_may_be_read_as_it_comes(shop: Shop) -> None:
    peer = Peer().sends(b"x" * 1_000, more=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(respond, shop.app, Asked("POST", "/echo").scope, peer)
        await wait_all_tasks_blocked()
        assert peer.status is None
        peer.sends(b"y" * 500)
    assert await peer.reads() == b"1500 bytes"


async def test_a_body_that_nobody_reads_does_not_hold_up_the_answer(shop: Shop) -> None:
    peer = Peer().sends(b"x", more=True)
    await answered(shop.app, Asked("POST", "/hello", "name=x"), peer)
    assert (peer.status, peer.ended) == (200, True)


async def test_a_stream_that_fails_is_broken_off(shop: Shop) -> None:
    peer = Peer().sends()
    with pytest.raises(BrokenOffError) as told:
        await answered(shop.app, Asked(raw_path="/breaks"), peer)
    assert "the disk is gone" in repr(told.value.__cause__)
    assert (await peer.reads(), peer.ended) == (b"half", False)


async def test_a_handler_that_fails_is_answered_by_quart(shop: Shop) -> None:
    peer = await answered(shop.app, Asked(raw_path="/fails"))
    assert (peer.status, peer.ended) == (500, True)


async def test_quart_starts_and_ends_with_its_lifespan(shop: Shop) -> None:
    seen: list[Any] = []

    async def background() -> None:
        try:
            await trio.sleep_forever()
        finally:
            seen.append("background ended")

    @shop.app.before_serving
    async def start() -> None:
        seen.append("started")
        shop.app.nursery.start_soon(background)

    @shop.app.after_serving
    async def end() -> None:
        seen.append("ended")

    shop.app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = None
    async with lifespan(shop.app):
        assert seen == ["started"]
        assert (await answered(shop.app, Asked(raw_path="/hello"))).status == 200
        assert seen == ["started"]
    assert sorted(seen[1:]) == ["background ended", "ended"]
