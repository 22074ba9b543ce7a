"""A client that reads nothing is cut off, is let go of, and holds no stop up."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio
from hypercorn.config import Config

from gateway.limits import CLOSING_SECONDS
from tests.support.bounds import shorten
from tests.support.realtime import talking
from tests.support.rooms import rooms_on
from tests.support.servers import Server, ServerName, serving
from tests.support.streams import NDJSON, SSE, Events, following
from tests.support.talk import EVENTS, UNREAD_MESSAGES, fill
from tests.support.wire import (
    PATIENCE_SECONDS,
    PING,
    SMALL_BUFFER_BYTES,
    TEXT,
    Wire,
    frame,
    handshake,
    wired,
)

DOORS = ("requests in a row", "a stream", "a socket")
LAGGING_SECONDS = 0.2
WRITE_SECONDS = 0.5
STOP_SECONDS = 0.5
SLACK_SECONDS = 1.5
"""What a slow machine may add to a stop."""

REQUEST = b"GET /openapi.json HTTP/1.1\r\nHost: parley\r\n\r\n"


@asynccontextmanager
async def deaf(server: Server, door: str) -> AsyncIterator[tuple[Wire, bytes]]:
    """Ask for more than one reads at ``door``; also give what else such a client would say."""
    key = server.tenant.live
    async with wired(server.url, receive_buffer_bytes=SMALL_BUFFER_BYTES) as wire:
        if door == "requests in a row":
            yield wire, REQUEST * 20
        elif door == "a stream":
            await wire.send(asking_for_all(server, "application/x-ndjson"))
            yield wire, REQUEST
        else:
            await wire.send(handshake(key=key))
            await wire.until(b"\r\n\r\n")
            wanted = {"op": "subscribe", "conversation": "conv_123", "after": 0}
            await wire.send(frame(TEXT, json.dumps(wanted).encode()))
            yield wire, frame(PING, b"there?") * 100


def asking_for_all(server: Server, accept: str) -> bytes:
    lines = (f"GET {EVENTS}?after=0 HTTP/1.1", "Host: parley", f"Accept: {accept}")
    return "\r\n".join((*lines, f"Authorization: Bearer {server.tenant.live}", "", "")).encode()


async def until_the_server_waits(wire: Wire, door: str, more: bytes) -> None:
    """Read nothing until the server cannot go on: with its answers, or with what it sends."""
    if door == "requests in a row":
        await wire.until_blocked(more)
    else:
        await wire.until_full()


async def followers(server: Server) -> int:
    """Return how many follow something in the live environment."""
    await trio.lowlevel.checkpoint()
    environment = await server.node.engine.environment(server.tenant.workspace, "live")
    return len(rooms_on(environment.bus))


@pytest.mark.parametrize("door", DOORS)
async def test_who_does_not_read_is_cut_off_and_let_go(
    tmp_path: Path, server_name: ServerName, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, OUTBOUND_WRITE_SECONDS=WRITE_SECONDS, LAGGING_SECONDS=LAGGING_SECONDS)
    shorten(monkeypatch, CLOSING_SECONDS=LAGGING_SECONDS)
    async with serving(tmp_path, server=server_name, store="memory") as server:
        await fill(server)
        async with deaf(server, door) as (wire, more):
            await until_the_server_waits(wire, door, more)
            assert await followers(server) == (door != "requests in a row")
            await wire.until_cut_off(more)
            with trio.fail_after(PATIENCE_SECONDS):
                while await followers(server):
                    pass
            async with talking(server.realtime_url, server.tenant.live) as talk:
                await talk.post("conv_123", "the others go on")


@pytest.mark.requirement("B59")
@pytest.mark.parametrize("accept", [NDJSON, SSE], ids=["ndjson", "sse"])
async def test_a_stream_that_was_cut_off_is_resumed_without_a_hole(
    tmp_path: Path,
    server_name: ServerName,
    accept: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shorten(monkeypatch, OUTBOUND_WRITE_SECONDS=WRITE_SECONDS, LAGGING_SECONDS=LAGGING_SECONDS)
    async with (
        serving(tmp_path, server=server_name, store="memory") as server,
        server.client(server.tenant.live) as client,
    ):
        await fill(server)
        async with wired(server.url, receive_buffer_bytes=SMALL_BUFFER_BYTES) as wire:
            await wire.send(asking_for_all(server, accept["Accept"]))
            stream = Events(wire.stream)
            await stream.read_head()
            heard = await stream.take(10)
            with trio.fail_after(PATIENCE_SECONDS):
                while await followers(server):
                    pass
        again = accept | {"Last-Event-ID": heard[-1]["id"]}
        async with following(client, EVENTS, again) as stream:
            heard += await stream.take(UNREAD_MESSAGES + 1 - len(heard))
        assert [event["version"] for event in heard] == list(range(1, UNREAD_MESSAGES + 2))


@pytest.mark.requirement("G15")
@pytest.mark.parametrize("door", DOORS)
async def test_who_does_not_read_holds_no_stop_up(
    tmp_path: Path, server_name: ServerName, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, SHUTDOWN_SECONDS=STOP_SECONDS)
    async with AsyncExitStack() as clients:
        with trio.fail_after(PATIENCE_SECONDS):
            async with serving(tmp_path, server=server_name, store="memory") as server:
                await fill(server)
                wire, more = await clients.enter_async_context(deaf(server, door))
                await until_the_server_waits(wire, door, more)
                began = trio.current_time()
        assert trio.current_time() - began < STOP_SECONDS + SLACK_SECONDS


IDLE = {
    "one that said nothing yet": b"",
    "one between two requests": b"GET /healthz HTTP/1.1\r\nHost: parley\r\n\r\n",
    "one amid a request": b"GET /healthz HTTP/1.1\r\nHo",
    "a socket that nobody uses": handshake(),
}


@pytest.mark.requirement("G15")
@pytest.mark.parametrize("name", IDLE)
async def test_an_idle_connection_holds_no_stop_up(
    tmp_path: Path, server_name: ServerName, name: str
) -> None:
    async with AsyncExitStack() as clients:
        async with serving(tmp_path, server=server_name, store="memory") as server:
            wire = await clients.enter_async_context(wired(server.url))
            await wire.send(IDLE[name])
            await wire.heard()
            began = trio.current_time()
        # A socket is given the time to say goodbye too.
        most = CLOSING_SECONDS if name == "a socket that nobody uses" else 0.0
        assert trio.current_time() - began < most + SLACK_SECONDS


async def test_an_idle_connection_is_closed_after_a_while(
    tmp_path: Path, server_name: ServerName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Config, "keep_alive_timeout", STOP_SECONDS)
    shorten(monkeypatch, KEEP_ALIVE_SECONDS=STOP_SECONDS)
    async with (
        serving(tmp_path, server=server_name, store="memory") as server,
        wired(server.url) as wire,
    ):
        await wire.send(IDLE["one between two requests"])
        await wire.until(b"}")
        with trio.fail_after(PATIENCE_SECONDS):
            assert await wire.stream.receive_some() == b""
