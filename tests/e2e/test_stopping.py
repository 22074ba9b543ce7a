"""A server that stops answers what it has taken, says goodbye, and waits for nobody for ever."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio

from gateway.limits import (
    DRAIN_BATCH_MIN,
    RETRY_AFTER_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MIN,
    SHUTDOWN_SECONDS,
)
from persistence.sqlite import SqliteStores
from tests.support.disks import MemoryDisk
from tests.support.frames import close, ended_with
from tests.support.processes import Sandbox, sandbox
from tests.support.realtime import PATIENCE_SECONDS, Talk, talking
from tests.support.servers import ServerName, serving
from tests.support.streams import SSE, following
from tests.support.talk import EVENTS, post
from tests.support.talk import MESSAGES as PATH
from tests.support.wire import SMALL_BUFFER_BYTES, TEXT, Wire, frame, handshake, wired

MESSAGES = 20
RESTART = (1012).to_bytes(2)
"""The code of a close frame."""

SLACK_SECONDS = 2.0


@pytest.mark.requirement("G15")
async def test_commands_under_way_are_answered_before_the_goodbye(
    tmp_path: Path, server_name: ServerName
) -> None:
    folder = tmp_path / "data"
    async with (
        serving(folder, server=server_name) as server,
        talking(server.realtime_url, server.tenant.live) as talk,
    ):
        for number in range(MESSAGES):
            await talk.say(
                "message.create", ref=number, conversation="conv_1", message={"text": "x"}
            )
        with trio.fail_after(PATIENCE_SECONDS):
            first = await talk.hear("ok")
        server.node.stop()
        frames, code = await talk.closing()
    assert code == 1012
    answered = {first["version"]} | {f["version"] for f in frames if f["op"] == "ok"}
    assert answered == set(range(2, 2 + len(answered)))
    assert frames[-1]["op"] == "bye"
    assert await versions_on_disk(folder) == {1} | answered


async def versions_on_disk(folder: Path) -> set[int]:
    """Return the versions of the only conversation, read from a server that starts anew."""
    async with serving(folder) as server:
        (workspace,) = await server.node.engine.workspaces()
        environment = await server.node.engine.environment(workspace, "live")
        events = await environment.log.read_feed(after=0)
    return {event.version for event in events if event.stream.kind == "conversation"}


@pytest.mark.requirement("G15")
async def test_a_request_under_way_is_answered_and_is_the_last_of_its_connection(
    tmp_path: Path, server_name: ServerName
) -> None:
    disk = MemoryDisk()
    answers: list[httpx2.Response] = []
    async with (
        serving(tmp_path, server=server_name, stores=disk.stores) as server,
        server.client(server.tenant.live) as client,
        trio.open_nursery() as nursery,
    ):
        await post(client, "the conversation is there")

        async def write() -> None:
            answers.append(await client.post(PATH, json={"text": "just in time"}))

        disk.hold()
        nursery.start_soon(write)
        with trio.fail_after(PATIENCE_SECONDS):
            await disk.wait_held()
        server.node.stop()
        await trio.lowlevel.checkpoint()
        disk.release()
    (answer,) = answers
    assert answer.status_code == 201
    if server_name == "front_door":
        assert answer.headers["connection"] == "close"


async def test_nobody_is_let_in_any_more(tmp_path: Path, server_name: ServerName) -> None:
    async with (
        serving(tmp_path, server=server_name, store="memory") as server,
        talking(server.realtime_url, server.tenant.live) as talk,
    ):
        server.node.stop()
        await talk.hear("bye")
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", int(server.url.rpartition(":")[2]))


async def test_each_socket_is_told_another_time_to_come_back(
    tmp_path: Path, server_name: ServerName
) -> None:
    count = 2 * DRAIN_BATCH_MIN + 10
    told: list[float] = []

    async def listen(wire: Wire) -> None:
        heard = await wire.until(RESTART)
        await wire.send(close(1012))
        frames, _ = ended_with(heard + await wire.rest())
        await trio.aclose_forcefully(wire.stream)
        told.append(json.loads(frames[-1][1])["retry_after"])

    async with (
        AsyncExitStack() as clients,
        serving(tmp_path, server=server_name, store="memory") as server,
    ):
        wires = [await clients.enter_async_context(wired(server.url)) for _ in range(count)]
        for wire in wires:
            await wire.send(handshake(key=server.tenant.live))
            await wire.until(b"}")
        server.node.stop()
        async with trio.open_nursery() as nursery:
            for wire in wires:
                nursery.start_soon(listen, wire)
    assert len(told) == count
    assert min(told) >= RETRY_AFTER_SECONDS_MIN
    assert max(told) <= RETRY_AFTER_SECONDS_MAX
    assert len(set(told)) > 10


MANY, TEXT_BYTES = 240, 20_000
"""4.8 MB in all: more than the kernel keeps for one who does not read."""


async def fill(server: Sandbox) -> None:
    async with talking(server.realtime_url, server.key) as talk:
        for number in range(MANY):
            message = {"text": "x" * TEXT_BYTES}
            await talk.say("message.create", ref=number, conversation="conv_123", message=message)
        for _ in range(MANY):
            await talk.hear("ok")


def authorized(server: Sandbox, first: bytes, *lines: bytes) -> bytes:
    head = (first + b" HTTP/1.1", b"Host: parley", f"Authorization: Bearer {server.key}".encode())
    return b"\r\n".join((*head, *lines, b"", b""))


def packets(server: Sandbox) -> dict[str, bytes]:
    """Return what clients have said that hear the server no more, or never answer it."""
    health = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    return {
        "says nothing": b"",
        "is idle": health,
        "is amid a head": b"GET /healthz HTTP/1.1\r\nHo",
        "is amid a body": authorized(
            server,
            b"POST " + PATH.encode(),
            b"Content-Type: application/json",
            b"Content-Length: 9",
        )
        + b"{",
        "is amid chunks": authorized(
            server,
            b"POST " + PATH.encode(),
            b"Content-Type: application/json",
            b"Transfer-Encoding: chunked",
        ),
        "is amid a body of a page": b"POST /docs HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        "asks much and reads nothing": b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 500,
        "reads no stream": authorized(
            server, f"GET {EVENTS}?after=0".encode(), b"Accept: text/event-stream"
        ),
    }


@asynccontextmanager
async def all_sorts(server: Sandbox) -> AsyncIterator[None]:
    """Keep a connection open for each of them, and sockets that do no better."""
    wanted = {"op": "subscribe", "conversation": "conv_123", "after": 0}
    subscribe = frame(TEXT, json.dumps(wanted).encode())
    async with AsyncExitStack() as clients:

        async def another() -> Wire:
            small = wired(server.url, receive_buffer_bytes=SMALL_BUFFER_BYTES)
            return await clients.enter_async_context(small)

        for packet in packets(server).values():
            wire = await another()
            with trio.move_on_after(0.2):  # one sends more than the server reads
                await wire.send(packet)
        for key in (server.key, None):
            await (await another()).become_socket(key)
        deaf = await another()
        await deaf.become_socket(server.key)
        await deaf.send(subscribe)
        await deaf.until_full()
        yield


@pytest.mark.requirement("G15")
async def test_sigterm_ends_it_in_time_whatever_clients_do(
    tmp_path: Path, server_name: ServerName
) -> None:
    async with sandbox(tmp_path, "--server", server_name) as server:
        await fill(server)
        async with (
            all_sorts(server),
            talking(server.realtime_url, server.key) as talk,
            server.client() as client,
            following(client, EVENTS, SSE) as stream,
            trio.open_nursery() as nursery,
        ):
            await talk.asked("subscribe", conversation="conv_123")
            nursery.start_soon(say_goodbye, talk)
            began = trio.current_time()
            assert await server.program.stop() == 0
            assert trio.current_time() - began < SHUTDOWN_SECONDS + SLACK_SECONDS
            retries = [line for line in await stream.rest() if line.startswith(b"retry: ")]
            assert len(retries) == 2, "at its begin, and at its end"
            assert 0 < int(retries[1][7:]) <= 1_000 * RETRY_AFTER_SECONDS_MAX
        if server_name == "front_door":  # Hypercorn tells of every answer that it cuts off
            assert '"level": "error"' not in server.program.stderr
            assert "Traceback" not in server.program.stderr


async def say_goodbye(talk: Talk) -> None:
    (bye,), code = await talk.closing()
    assert bye["op"] == "bye"
    assert bye["code"] == code == 1012
    assert bye["reconnect"] is True
    assert RETRY_AFTER_SECONDS_MIN <= bye["retry_after"] <= RETRY_AFTER_SECONDS_MAX


async def test_a_data_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    stores = SqliteStores(folder)
    await stores.open()
    stores.close()
    assert folder.stat().st_mode & 0o777 == 0o755
