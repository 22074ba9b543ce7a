"""Requests that an application in this process answers, over a connection that is lent to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.limits import ASGI_BODY_BYTES_MAX, OUTBOUND_BYTES_MAX
from tests.gateway.server.doors import door, http_of
from tests.gateway.server.pipes import SMALL_BUFFER_BYTES
from tests.gateway.server.test_connection import INDEX, says_close, statuses
from tests.gateway.server.test_stream_line import dechunked

PAGE = "GET /page"
Send = Callable[[dict[str, Any]], Any]


async def start(send: Send, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def part(send: Send, body: bytes, *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def measured(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await start(send, (b"content-length", b"4"))
    await part(send, b"page")


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body, when all of it has come."""
    del scope
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await start(send)
    await part(send, body)


async def test_an_answer_with_a_length_is_sent_as_it_is_and_the_connection_goes_on(
    tmp_path: Path,
) -> None:
    async with door(tmp_path, app=measured) as d:
        _, peer = d.connect()
        answer = await d.asked(peer, d.head(PAGE) + d.head(INDEX) + d.head(PAGE))
        assert statuses(answer) == [200, 404, 200]
        assert answer.count(b"\r\n\r\npage") == 2
        assert b"chunked" not in answer
        assert not says_close(answer)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_an_answer_without_a_length_comes_in_chunks_or_up_to_the_end(
    tmp_path: Path, version: str
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await start(send)
        await part(send, b"pa", more=True)
        await part(send, b"ge")

    async with door(tmp_path, app=app) as d:
        _, peer = d.connect()
        answer = await d.asked(peer, d.head(f"{PAGE} HTTP/{version}"))
        body = answer.partition(b"\r\n\r\n")[2]
        assert (body == b"page") if version == "1.0" else dechunked(body) == ([b"pa", b"ge"], True)
        assert peer.over == (version == "1.0")
        assert says_close(answer) == (version == "1.0")


@pytest.mark.parametrize(("line", "status"), [("HEAD /page", 200), (PAGE, 204), (PAGE, 304)])
async def test_what_has_no_body_is_sent_without_one(tmp_path: Path, line: str, status: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await start(send, status=status)
        await part(send, b"page")

    async with door(tmp_path, app=app) as d:
        _, peer = d.connect()
        answer = await d.asked(peer, d.head(line))
        assert statuses(answer) == [status]
        assert answer.endswith(b"\r\n\r\n")
        assert b"chunked" not in answer
        assert statuses(await d.asked(peer, d.head(INDEX))) == [404]


async def test_a_body_reaches_the_application_and_what_follows_it_waits(tmp_path: Path) -> None:
    async with door(tmp_path, app=echo) as d:
        connection, peer = d.connect(buffer_bytes=1 << 20)
        size = 5 * ASGI_BODY_BYTES_MAX
        head = d.head("POST /echo", f"Content-Length: {size}", "Expect: 100-continue")
        answer = await d.asked(peer, head)
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.send(b"x" * size + d.head(INDEX))
        await wait_all_tasks_blocked()
        answer += peer.read()
        body, _, next_answer = answer.partition(b"0\r\n\r\n")
        assert body.count(b"x") == size
        assert statuses(next_answer) == [404]
        assert not connection.over


async def test_a_body_that_nobody_reads_is_not_kept(tmp_path: Path) -> None:
    may_end = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await may_end.wait()
        await measured(scope, receive, send)

    async with door(tmp_path, app=app) as d:
        connection, peer = d.connect(buffer_bytes=1 << 20)
        http = http_of(connection)
        peer.send(d.head("POST /page", "Content-Length: 9000000"))
        for _ in range(10):
            peer.send(b"x" * 40_000)
            await wait_all_tasks_blocked()
        incoming = http._incoming  # noqa: SLF001
        assert incoming is not None
        assert len(incoming.body) <= 2 * ASGI_BODY_BYTES_MAX
        may_end.set()
        await wait_all_tasks_blocked()
        answer = peer.read()
        assert statuses(answer) == [200]
        assert says_close(answer)


async def test_an_answer_to_a_slow_client_is_made_as_it_reads(tmp_path: Path) -> None:
    made: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await start(send)
        for number in range(40):
            made.append(number)
            await part(send, b"x" * 50_000, more=True)
        await part(send, b"")

    async with door(tmp_path, app=app) as d:
        _, peer = d.connect(buffer_bytes=SMALL_BUFFER_BYTES)
        peer.send(d.head(PAGE))
        await wait_all_tasks_blocked()
        assert len(made) <= OUTBOUND_BYTES_MAX // 50_000 + 2
        found = await peer.read_until(lambda found: found.endswith(b"0\r\n\r\n"))
        assert found.count(b"x") == 40 * 50_000


async def test_a_client_that_leaves_ends_the_application_and_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        await receive()
        await start(send)
        try:
            while True:
                await part(send, b"x" * 50_000, more=True)
        finally:
            told.append("ended")

    async with door(tmp_path, app=app) as d:
        _, peer = d.connect(buffer_bytes=SMALL_BUFFER_BYTES)
        peer.send(d.head(PAGE))
        await wait_all_tasks_blocked()
        assert told == []
        peer.leave()
        await wait_all_tasks_blocked()
        assert told == ["ended"]
        assert len(d.left) == 1
        assert caplog.records == []


@pytest.mark.parametrize("begun", [False, True])
async def test_an_application_that_fails_is_logged_and_its_client_is_told_or_cut_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, begun: bool
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        if begun:
            await start(send)
            await part(send, b"pa", more=True)
        raise KeyError("a fault")

    async with door(tmp_path, app=app) as d:
        _, peer = d.connect()
        answer = await d.asked(peer, d.head(PAGE))
        assert statuses(answer) in ([500], [200], [])
        assert (statuses(answer) == [500]) != begun
        assert not answer.endswith(b"0\r\n\r\n")
        assert peer.over
        assert len(caplog.records) == 1
