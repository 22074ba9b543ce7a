"""One connection and its requests: in a row, half closed, late, never finished, and let go of."""

import socket

import httpx2
import pytest
import trio

from gateway.limits import REQUEST_BODY_BYTES_MAX
from tests.support.answers import problem
from tests.support.bounds import shorten
from tests.support.exchanges import Exchanges, exchanging
from tests.support.servers import Server
from tests.support.talk import CONVERSATION, MESSAGES, get, post
from tests.support.wire import PATIENCE_SECONDS, SMALL_BUFFER_BYTES

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
SOON_SECONDS = 0.3


def authorized(server: Server) -> bytes:
    return f"Authorization: Bearer {server.tenant.live}".encode()


def posting(server: Server, *lines: bytes) -> tuple[bytes, ...]:
    """Return the lines of a POST of a message, but for those that frame its body."""
    first = f"POST {MESSAGES}".encode()
    return (first, authorized(server), b"Content-Type: application/json", *lines)


async def answered(exchanges: Exchanges, count: int) -> list[httpx2.Response]:
    return [await exchanges.answer() for _ in range(count)]


@pytest.mark.parametrize(
    ("request_bytes", "count"), [(HEALTH, 900), (LARGE, 100)], ids=["small", "large"]
)
async def test_requests_in_a_row_are_all_answered(
    server: Server, caplog: pytest.LogCaptureFixture, request_bytes: bytes, count: int
) -> None:
    """So many that a stack would end, and more bytes than may wait for one client."""
    async with exchanging(server.url) as exchanges, trio.open_nursery() as nursery:
        nursery.start_soon(exchanges.send, request_bytes * count)
        answers = await answered(exchanges, count)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert [record for record in caplog.records if record.name.startswith("parley")] == []


async def test_requests_in_a_row_are_answered_in_their_order(server: Server) -> None:
    async with exchanging(server.url) as exchanges:
        for number in range(10):
            body = b'{"text":"at %03d"}' % number
            lines = posting(server, b"Content-Length: %d" % len(body))
            await exchanges.ask(*lines, body=body)
            await exchanges.ask(b"GET /healthz")
            await exchanges.ask(b"GET /docs")
        answers = await answered(exchanges, 30)
    assert [answer.status_code for answer in answers] == [201, 200, 200] * 10
    assert [answer.json()["text"] for answer in answers[::3]] == [f"at {n:03}" for n in range(10)]
    assert [answer.json()["version"] for answer in answers[::3]] == list(range(2, 12))
    assert all("html" in answer.headers["content-type"] for answer in answers[2::3])


async def test_who_says_that_it_is_done_still_gets_every_answer(front_door: Server) -> None:
    """A client that shuts its side down after the last request listens on (RFC 9112, 9.6)."""
    async with exchanging(front_door.url, receive_buffer_bytes=SMALL_BUFFER_BYTES) as exchanges:
        await exchanges.send(LARGE * 100)
        exchanges.socket.shutdown(socket.SHUT_WR)
        answers = await answered(exchanges, 100)
        assert {answer.status_code for answer in answers} == {200}
        assert await exchanges.is_over()


async def test_a_connection_is_kept_or_closed_as_the_client_asks(server: Server) -> None:
    for version, option, kept in (
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: Close, TE\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", False),
    ):
        async with exchanging(server.url) as exchanges:
            request = b"GET /healthz HTTP/" + version + b"\r\nHost: a\r\n" + option + b"\r\n"
            await exchanges.send(request)
            answer = await exchanges.answer()
            assert answer.status_code == 200
            assert (answer.headers.get("connection") != "close") is kept, (version, option)
            if kept:
                await exchanges.send(request)
                assert (await exchanges.answer()).status_code == 200
            elif server.name == "front_door":  # Hypercorn leaves that to the client
                assert await exchanges.is_over()


async def test_a_client_that_waits_for_a_go_ahead_is_given_it(server: Server) -> None:
    body = b'{"text":"Hello"}'
    lines = posting(server, b"Expect: 100-continue", b"Content-Length: %d" % len(body))
    async with exchanging(server.url) as exchanges:
        await exchanges.ask(*lines)
        assert (await exchanges.answer()).status_code == 100
        await exchanges.send(body)
        assert (await exchanges.answer()).status_code == 201
        await exchanges.ask(b"GET /healthz")
        assert (await exchanges.answer()).status_code == 200


async def test_who_waits_for_a_go_ahead_with_a_bad_key_is_refused_before_it_sends(
    front_door: Server,
) -> None:
    lines = posting(front_door, b"Expect: 100-continue", b"Content-Length: 16")
    async with exchanging(front_door.url) as exchanges:
        await exchanges.ask(lines[0], b"Authorization: Bearer nonsense", *lines[2:])
        problem(await exchanges.answer(), 401, "unauthenticated")
        assert await exchanges.is_over()


async def test_an_answer_amid_a_body_ends_the_connection_and_says_so(server: Server) -> None:
    async with exchanging(server.url) as exchanges:
        await exchanges.ask(b"POST /nowhere", b"Content-Length: 1000", body=b"x" * 10)
        answer = await exchanges.answer()
        problem(answer, 404, "not_found")
        assert answer.headers["connection"] == "close"
        await exchanges.send(b"x" * 990 + HEALTH)
        assert await exchanges.is_over(), "what follows is no request"


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
async def test_a_body_that_does_not_come_is_given_up(
    server: Server, framing: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, REQUEST_BODY_SECONDS=SOON_SECONDS, HEAR_OUT_SECONDS=SOON_SECONDS)
    async with exchanging(server.url) as exchanges:
        await exchanges.ask(*posting(server, framing), body=b"3\r\n")
        answer = await exchanges.answer()
        problem(answer, 408, "request_timeout")
        assert answer.headers["connection"] == "close"
        assert await exchanges.is_over()


@pytest.mark.requirement("B16")
async def test_a_body_that_drips_is_given_up_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, REQUEST_BODY_SECONDS=SOON_SECONDS, HEAR_OUT_SECONDS=SOON_SECONDS)
    async with exchanging(server.url) as exchanges:
        await exchanges.ask(*posting(server, b"Content-Length: %d" % REQUEST_BODY_BYTES_MAX))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip, exchanges)
            problem(await exchanges.answer(), 408, "request_timeout")
            with trio.fail_after(PATIENCE_SECONDS):
                assert await exchanges.is_over()
            nursery.cancel_scope.cancel()


async def drip(exchanges: Exchanges) -> None:
    """Send a byte a moment, for ever."""
    while True:
        await exchanges.send(b" ")
        await trio.sleep(SOON_SECONDS / 10)


@pytest.mark.parametrize("begun", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: "])
async def test_a_head_that_does_not_come_is_given_up(
    front_door: Server, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, HEAD_SECONDS=SOON_SECONDS, HEAR_OUT_SECONDS=SOON_SECONDS)
    async with exchanging(front_door.url) as exchanges:
        await exchanges.send(begun)
        if begun:
            answer = await exchanges.answer()
            problem(answer, 408, "request_timeout")
            assert answer.headers["connection"] == "close"
        assert await exchanges.is_over()


async def test_a_head_that_drips_is_given_up_too(
    front_door: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, HEAD_SECONDS=SOON_SECONDS, HEAR_OUT_SECONDS=SOON_SECONDS)
    async with exchanging(front_door.url) as exchanges, trio.open_nursery() as nursery:
        await exchanges.send(HEALTH + b"GET /healthz HTTP/1.1\r\nX: ")
        assert (await exchanges.answer()).status_code == 200
        nursery.start_soon(drip, exchanges)
        problem(await exchanges.answer(), 408, "request_timeout")
        assert await exchanges.is_over()
        nursery.cancel_scope.cancel()


async def test_who_reads_slowly_is_not_given_up_while_it_reads(
    front_door: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, KEEP_ALIVE_SECONDS=SOON_SECONDS)
    count = 100
    async with exchanging(front_door.url, receive_buffer_bytes=SMALL_BUFFER_BYTES) as exchanges:
        await exchanges.send(LARGE * count)
        for _ in range(3):
            assert (await exchanges.answer()).status_code == 200
            await trio.sleep(SOON_SECONDS)
        answers = await answered(exchanges, count - 3)
    assert {answer.status_code for answer in answers} == {200}


async def test_a_connection_that_ends_amid_a_body_writes_nothing(server: Server) -> None:
    body = b'{"text":"half of it"}'
    async with server.client(server.tenant.live) as client:
        await post(client)
        for lines in (
            posting(server, b"Content-Length: %d" % len(body)),
            posting(server, b"Transfer-Encoding: chunked"),
        ):
            for part in (b"", body[:10], b"a\r\n" + body[:10]):
                async with exchanging(server.url) as exchanges:
                    await exchanges.ask(*lines, body=part)
        await post(client)
        assert (await get(client, CONVERSATION))["version"] == 3


async def test_old_clients_are_answered_without_chunks(server: Server) -> None:
    for path in (b"/healthz", b"/openapi.json", b"/docs"):
        async with exchanging(server.url) as exchanges:
            await exchanges.send(b"GET " + path + b" HTTP/1.0\r\nHost: a\r\n\r\n")
            answer = await exchanges.answer()
            assert answer.status_code == 200
            assert "transfer-encoding" not in answer.headers
            assert len(answer.content) == int(answer.headers["content-length"])


async def test_a_chunked_body_is_read_whole_however_it_is_cut(server: Server) -> None:
    whole = b'{"text":"in chunks, one of them with an extension"}'
    cut = b"%x;a=b\r\n%b\r\n" % (20, whole[:20]) + b"%X\r\n%b\r\n" % (len(whole) - 20, whole[20:])
    lines = posting(server, b"Transfer-Encoding: chunked")
    async with exchanging(server.url) as exchanges:
        for step in (len(cut) + 100, 7, 1):
            await exchanges.ask(*lines)
            packet = cut + b"0\r\nX-Trailer: 1\r\n\r\n"
            for begin in range(0, len(packet), step):
                await exchanges.send(packet[begin : begin + step])
            answer = await exchanges.answer()
            assert answer.status_code == 201, answer.text
            assert answer.json()["text"] == "in chunks, one of them with an extension"
