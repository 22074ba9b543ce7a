"""The same doors over TLS: requests, streams, sockets and pages, and clients that misbehave."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
import trio

from tests.support.bounds import shorten
from tests.support.certificates import Certificate, certificate_in
from tests.support.exchanges import exchanging
from tests.support.frames import PONG, TEXT, close, ended_with, frame
from tests.support.servers import Server, ServerName, serving
from tests.support.talk import EVENTS, MESSAGES, fill, get, post
from tests.support.wire import (
    PATIENCE_SECONDS,
    SMALL_BUFFER_BYTES,
    WEBSOCKET,
    Leaving,
    Wire,
    handshake,
    thrown_at,
    wired,
)

SOON_SECONDS = 0.3
SLACK_SECONDS = 2.0
LARGE = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"


def authorized(server: Server) -> bytes:
    return f"Authorization: Bearer {server.tenant.live}".encode()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_in(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
async def secure(
    tmp_path: Path, server_name: ServerName, certificate: Certificate
) -> AsyncIterator[Server]:
    folder = tmp_path / "data"
    async with serving(folder, server=server_name, certificate=certificate) as running:
        yield running


async def test_requests_and_pages_are_answered(secure: Server) -> None:
    assert secure.url.startswith("https://")
    async with secure.client(secure.tenant.live) as client:
        message = await post(client)
        assert (await get(client, MESSAGES))["data"] == [message]
        page = await client.get("/docs")
        assert page.status_code == 200
        assert "html" in page.headers["content-type"]
        large = await client.post(MESSAGES, json={"text": "x" * 1_000_000})
        assert large.status_code == 413
        await post(client, "the next one")


async def test_many_requests_of_one_connection_are_answered(secure: Server) -> None:
    async with exchanging(secure.url, tls=secure.tls) as exchanges, trio.open_nursery() as nursery:
        nursery.start_soon(exchanges.send, LARGE * 100)
        answers = [await exchanges.answer() for _ in range(100)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


async def test_a_stream_is_followed(secure: Server) -> None:
    async with secure.client(secure.tenant.live) as client:
        await post(client, "one")
        async with exchanging(secure.url, tls=secure.tls) as exchanges:
            first = f"GET {EVENTS}?after=0".encode()
            await exchanges.ask(first, authorized(secure), b"Accept: application/x-ndjson")
            answer = await exchanges.answer(lines=2)
            assert b'"version":2' in answer.content
            await post(client, "and another one")
            assert b'"version":3' in await exchanges.until(b"}\n")


async def test_a_socket_is_spoken_over(secure: Server) -> None:
    async with wired(secure.url, tls=secure.tls) as wire:
        await wire.send(handshake(key=secure.tenant.live))
        opened = await wire.until(b'"op":"ready"')
        posted = {
            "op": "message.create",
            "conversation": "conv_1",
            "message": {"text": "x" * 9_000},
        }
        await wire.send(frame(TEXT, json.dumps({**posted, "ref": 1}).encode()))
        opened += await wire.until(b'"ref":1')
        await wire.send(close(1000))
        frames, code = ended_with((opened + await wire.rest()).partition(b"\r\n\r\n")[2])
    assert [json.loads(payload)["op"] for _, payload in frames] == ["ready", "ok"]
    assert code == 1000


async def test_http2_is_spoken_with_who_asks_for_it(
    secure: Server, certificate: Certificate
) -> None:
    headers = {"Authorization": f"Bearer {secure.tenant.live}"}
    async with httpx2.AsyncClient(
        base_url=secure.url, headers=headers, verify=certificate.trusting("h2"), http2=True
    ) as client:
        message = await post(client)
        answer = await client.get(MESSAGES)
        assert answer.http_version == "HTTP/2"
        assert answer.json()["data"] == [message]


@pytest.mark.requirement("G15")
@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
async def test_an_idle_connection_holds_no_stop_up(
    tmp_path: Path, server_name: ServerName, certificate: Certificate, *, http2: bool
) -> None:
    async with AsyncExitStack() as clients:
        async with serving(tmp_path, server=server_name, certificate=certificate) as server:
            verify = certificate.trusting("h2" if http2 else "http/1.1")
            idle = httpx2.AsyncClient(base_url=server.url, verify=verify, http2=http2)
            client = await clients.enter_async_context(idle)
            assert (await client.get("/healthz")).status_code == 200
            began = trio.current_time()
        assert trio.current_time() - began < SLACK_SECONDS


async def test_clear_text_and_broken_handshakes_end_their_connection_alone(secure: Server) -> None:
    for packet in (b"", LARGE, WEBSOCKET, b"\x16\x03\x01\x02\x00" + bytes(600), bytes(5)):
        for leaving in Leaving:
            said = await thrown_at(secure.url, packet, leaving)
            assert b"200" not in said
    async with secure.client() as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_a_handshake_that_does_not_come_is_given_up(
    certificate: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, TLS_HANDSHAKE_SECONDS=SOON_SECONDS)
    async with (
        serving(tmp_path, certificate=certificate) as server,
        wired(server.url) as wire,
    ):
        await wire.send(b"\x16")
        assert await wire.rest() == b""


@pytest.mark.requirement("G15")
@pytest.mark.parametrize("door", ["requests", "a stream", "a socket"])
async def test_who_does_not_read_holds_no_stop_up(
    tmp_path: Path,
    server_name: ServerName,
    certificate: Certificate,
    door: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shorten(monkeypatch, SHUTDOWN_SECONDS=SOON_SECONDS)
    async with AsyncExitStack() as clients:
        async with serving(tmp_path, server=server_name, certificate=certificate) as server:
            await fill(server)
            small = wired(server.url, tls=server.tls, receive_buffer_bytes=SMALL_BUFFER_BYTES)
            wire = await clients.enter_async_context(small)
            await ask_much(wire, server, door)
            await wire.until_full()
            began = trio.current_time()
        assert trio.current_time() - began < SOON_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize("door", ["a stream", "a socket"])
async def test_who_does_not_read_is_cut_off_and_let_go(
    secure: Server, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, LAGGING_SECONDS=SOON_SECONDS, OUTBOUND_WRITE_SECONDS=2 * SOON_SECONDS)
    shorten(monkeypatch, CLOSING_SECONDS=SOON_SECONDS)
    await fill(secure)
    bus = (await secure.node.engine.environment(secure.tenant.workspace, "live")).bus
    small = wired(secure.url, tls=secure.tls, receive_buffer_bytes=SMALL_BUFFER_BYTES)
    async with small as wire:
        await ask_much(wire, secure, door)
        await wire.until_full()
        assert bus._by_stream  # noqa: SLF001
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.checkpoint()
            while bus._by_stream or secure.node.metrics.connections.count:  # noqa: SLF001, ASYNC110
                await trio.sleep(SOON_SECONDS / 10)


async def ask_much(wire: Wire, server: Server, door: str) -> None:
    """Ask for more than a client reads."""
    if door == "requests":
        with trio.move_on_after(SOON_SECONDS):  # it sends more than the server reads
            await wire.send(LARGE * 1_000)
    elif door == "a stream":
        accept = b"Accept: text/event-stream"
        line = f"GET {EVENTS}?after=0 HTTP/1.1".encode()
        await wire.send(b"\r\n".join((line, b"Host: a", authorized(server), accept, b"", b"")))
    else:
        await wire.become_socket(server.tenant.live)
        wanted = {"op": "subscribe", "conversation": "conv_123", "after": 0}
        await wire.send(frame(TEXT, json.dumps(wanted).encode()))


async def test_an_unread_pong_is_no_matter(secure: Server) -> None:
    async with wired(secure.url, tls=secure.tls) as wire:
        await wire.send(handshake(key=secure.tenant.live))
        opened = await wire.until(b'"op":"ready"')
        await wire.send(frame(9, b"there?") * 3 + close(1000))
        frames, code = ended_with((opened + await wire.rest()).partition(b"\r\n\r\n")[2])
    assert frames[1:] == [(PONG, b"there?")] * 3
    assert code == 1000
