"""Packets no client would send, and clients that leave in the wrong moment, harm nobody else."""

import itertools
import json
import random
from pathlib import Path

import pytest
import trio

from gateway.limits import SHUTDOWN_SECONDS
from tests.support.answers import exchange, problem
from tests.support.servers import Server, ServerName, serving
from tests.support.talk import get, post
from tests.support.wire import (
    BINARY,
    CLOSE,
    HTTP2_PREFACE,
    PING,
    TEXT,
    Leaving,
    frame,
    handshake,
    http2,
    http2_frame,
    thrown_at,
    wired,
)

GET = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"parley"))
CONNECT = (
    *((b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http")),
    *((b":authority", b"parley"), (b":path", b"/v1/realtime")),
)
RESET_STREAM, WINDOW_UPDATE = 3, 8
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: parley\r\n\r\n"
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate"


def upgrade(settings: bytes) -> bytes:
    """Return a request for HTTP/2 in clear text."""
    lines = (
        b"GET / HTTP/1.1",
        b"Host: parley",
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"HTTP2-Settings: " + settings,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunked(method: bytes, path: bytes, body: bytes) -> bytes:
    head = method + b" " + path + b" HTTP/1.1\r\nHost: parley\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + body


HTTP2 = {
    "a path beyond ASCII": http2(*GET, (b":path", b"/\xff")),
    "a method beyond ASCII": http2((b":method", b"\xff"), *GET[1:], (b":path", b"/")),
    "a header beyond ASCII": http2(*GET, (b":path", b"/"), (b"x", b"\xff")),
    "an empty path": http2(*GET, (b":path", b"")),
    "no path": http2(*GET),
    "CONNECT without a path": http2((b":method", b"CONNECT"), GET[2]),
    "a socket without a version": http2(*CONNECT),
    "a socket with bad words": http2(
        *CONNECT, (b"sec-websocket-version", b"13"), (b"sec-websocket-protocol", b"\xff")
    ),
    "nonsense behind the preface": HTTP2_PREFACE + b"\xff" * 100,
    "a reset of nothing": HTTP2_PREFACE + http2_frame(RESET_STREAM, 0, 9, bytes(4)),
    "a window of nothing": http2(*GET, (b":path", b"/"))
    + http2_frame(WINDOW_UPDATE, 0, 9, b"\0\0\0\5"),
    "an upgrade with half a setting": upgrade(b"AAMAAABkAAQAAP__AAUAAP"),
    "an upgrade with settings beyond ASCII": upgrade(b"AAQAAAAB\xff"),
    "an upgrade with a setting out of range": upgrade(b"AAX_____"),
    "an upgrade with no base64": upgrade(b"A"),
}
HTTP1 = {
    "another protocol": b"\x16\x03\x01\x02\x00" + bytes(50),
    "NUL in a line": b"GET /healthz\0 HTTP/1.1\r\nHost: \0\r\n\r\n",
    "no lines at all": bytes(range(256)),
    "garbage behind a request": b"GET /openapi.json HTTP/1.1\r\nHost: parley\r\n\r\n\0bad\r\n\r\n",
    "a line without an end": b"GET /" + b"a" * 100_000,
    "a bad chunk": chunked(b"GET", b"/healthz", b"zz\r\n"),
    "a bad chunk to nowhere": chunked(b"POST", b"/nowhere", b"zz\r\n"),
    "a bad chunk behind a good one": chunked(b"POST", b"/healthz", b"1\r\nx\r\n-1\r\n"),
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
}
SOCKETS = {
    "bad words for the subprotocol": handshake(b"Sec-WebSocket-Protocol: \xff\xfe"),
    "bad words for the extensions": handshake(b"Sec-WebSocket-Extensions: \xff"),
    "an extension out of range": handshake(DEFLATE + b"; server_max_window_bits=99"),
    "an extension that is no number": handshake(DEFLATE + b"; client_max_window_bits=x"),
    "a frame in the packet of the handshake": handshake() + frame(TEXT, b"{}"),
    "a request in front of the handshake": REQUEST + handshake(),
    "text that is no UTF-8": handshake() + frame(TEXT, b"\xff\xfe"),
    "a message of two kinds": handshake() + frame(TEXT, b"a", final=False) + frame(BINARY, b"b"),
    "deflate nobody agreed on": handshake() + frame(TEXT, b"x", reserved=4),
    "deflate that is none": handshake(DEFLATE) + frame(TEXT, b"\xff\xff\xff\xff", reserved=4),
    "a ping that is too long": handshake() + frame(PING, b"x" * 126),
    "half a close code": handshake() + frame(CLOSE, b"\0"),
    "a close reason that is no UTF-8": handshake() + frame(CLOSE, b"\x03\xe8\xff"),
    "words behind the close": handshake() + frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"x"),
    "a path that is none": handshake().replace(b"/v1/realtime", b"?a"),
}
PACKETS = HTTP2 | HTTP1 | SOCKETS
AGAIN = 2
"""Some of these ended the server only by chance."""


async def goes_on(server: Server) -> None:
    """Check that the same server still answers and takes messages."""
    async with server.client(server.tenant.live) as client:
        assert await get(client, "/healthz") == {"status": "ok"}
        await post(client)


@pytest.mark.parametrize("name", PACKETS)
async def test_an_odd_packet_ends_its_own_connection_at_most(
    tmp_path: Path, server_name: ServerName, name: str
) -> None:
    async with serving(tmp_path, server=server_name) as server:
        for _ in range(AGAIN):
            async with trio.open_nursery() as nursery:
                for leaving in Leaving:
                    nursery.start_soon(thrown_at, server.url, PACKETS[name], leaving)
            await goes_on(server)
        began = trio.current_time()
    took = trio.current_time() - began
    assert took < SHUTDOWN_SECONDS / 2, "something of a connection stayed behind"


async def test_a_target_without_a_path_is_none(server: Server) -> None:
    for target in ("?", "?a"):
        request = f"GET {target} HTTP/1.1\r\nHost: parley\r\n\r\n"
        answer = await exchange(server.url, request.encode())
        if server.name == "front_door":
            problem(answer, 400, "bad_framing")
        elif target == "?":  # Hypercorn takes it for the root
            assert (answer.status_code, answer.json()["name"]) == (200, "Parley")
        else:
            assert problem(answer, 422, "bad_parameter")["instance"] == "/"


STORM_SECONDS = 2.0
AT_ONCE = 12
COMMANDS = 9


def commands(number: int, chance: random.Random) -> bytes:
    """Return messages of which every second one repeats a key of somebody else."""
    frames = []
    for at in range(COMMANDS):
        key = f"k{at % 4}" if at % 2 else str(chance.random())
        message = {"text": "x", "idempotency_key": key}
        name = f"conv_{number % 3}"
        said = {"op": "message.create", "ref": at, "conversation": name, "message": message}
        frames.append(frame(TEXT, json.dumps(said).encode()))
    return b"".join(frames)


async def come_and_go(server: Server, number: int, chance: random.Random) -> None:
    """Open a socket, say much, and reset the connection while it is worked on."""
    async with wired(server.url) as wire:
        await wire.send(handshake(key=server.tenant.live))
        await wire.until(b"\r\n\r\n")
        await wire.send(commands(number, chance))
        for _ in range(chance.randrange(60)):
            await trio.lowlevel.checkpoint()
        wire.reset_at_close()


async def test_sockets_that_leave_amid_their_commands_harm_nobody(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(2)
    rounds = 0
    ends_at = trio.current_time() + STORM_SECONDS
    while trio.current_time() < ends_at:
        async with trio.open_nursery() as nursery:
            for number in range(AT_ONCE):
                nursery.start_soon(come_and_go, server, number, chance)
        rounds += 1
    assert rounds > 1
    await goes_on(server)
    assert [record for record in caplog.records if record.name == "parley.actor"] == []
    async with server.client(server.tenant.live) as client:
        for name in ("conv_0", "conv_1", "conv_2"):
            page = await get(client, f"/v1/conversations/{name}/events", limit=200)
            versions = [event["version"] for event in page["data"]]
            assert all(after - before == 1 for before, after in itertools.pairwise(versions))
