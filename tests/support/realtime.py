"""Realtime clients of two foreign libraries behind one seam, and the words of both dialects."""

import itertools
import json
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2
import msgspec
import trio
from httpx2.websockets import AsyncWebSocketSession, WebSocketDisconnect, WebSocketNetworkError
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)

Message = str | bytes
"""One WebSocket message: text, or binary."""


@dataclass(frozen=True)
class Speech:
    """How a client writes and reads the frames of one dialect."""

    subprotocol: str
    write: Callable[[Any], Message]
    read: Callable[[Message], Any]
    binary: bool


def _read_msgpack(message: Message) -> Any:
    assert isinstance(message, bytes), "MessagePack comes in binary messages"
    return msgspec.msgpack.decode(message)


def _read_json(message: Message) -> Any:
    assert isinstance(message, str), "JSON comes as text"
    return json.loads(message)


JSON = Speech("parley.v1+json", json.dumps, _read_json, binary=False)
MSGPACK = Speech("parley.v1+msgpack", msgspec.msgpack.encode, _read_msgpack, binary=True)
SPEECHES = (JSON, MSGPACK)

spoken: list[Speech] = [JSON]
"""The dialect of the clients that are not told one; the last counts."""

PATIENCE_SECONDS = 15
"""How long a test waits for what it expects before it fails."""

MESSAGE_BYTES_MAX = 1024 * 1024
HEARTBEAT = {"op": "ping"}
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class LineClosedError(Exception):
    """The other side has closed, or the line is dead. ``code`` is the close code, if any came."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Line(Protocol):
    """An open WebSocket, whatever the library."""

    async def send(self, message: Message) -> None: ...

    async def receive(self) -> Message: ...

    async def cut(self) -> None:
        """Let the TCP connection go without a close frame."""


class TrioLine:
    """A WebSocket of trio-websocket's. It is cut with a TCP reset."""

    def __init__(self, connection: WebSocketConnection, stream: trio.SocketStream) -> None:
        self.connection = connection
        self._stream = stream

    async def send(self, message: Message) -> None:
        try:
            await self.connection.send_message(message)
        except ConnectionClosed as error:
            raise LineClosedError(_code(error)) from error

    async def receive(self) -> Message:
        try:
            message: Message = await self.connection.get_message()
        except ConnectionClosed as error:
            raise LineClosedError(_code(error)) from error
        return message

    async def cut(self) -> None:
        self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        await trio.aclose_forcefully(self._stream)


class HttpxLine:
    """A WebSocket of httpx2's. It is cut by closing the TCP connection."""

    def __init__(self, session: AsyncWebSocketSession, *, binary: bool) -> None:
        self.session = session
        self._binary = binary

    async def send(self, message: Message) -> None:
        try:
            if isinstance(message, bytes):
                await self.session.send_bytes(message)
            else:
                await self.session.send_text(message)
        except (WebSocketNetworkError, WebSocketDisconnect) as error:
            raise LineClosedError(getattr(error, "code", None)) from error

    async def receive(self) -> Message:
        try:
            if self._binary:
                return await self.session.receive_bytes()
            return await self.session.receive_text()
        except (WebSocketNetworkError, WebSocketDisconnect) as error:
            raise LineClosedError(getattr(error, "code", None)) from error

    async def cut(self) -> None:
        await self.session.stream.aclose()


@dataclass(frozen=True)
class Heard:
    """An event as it came: its bytes, and what they say."""

    raw: Message
    frame: dict[str, Any]

    @property
    def version(self) -> int:
        version: int = self.frame["version"]
        return version

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = self.frame["event"]
        return event

    @property
    def event_bytes(self) -> Message:
        """The event alone, byte for byte: the last member of its frame."""
        if isinstance(self.raw, bytes):
            return self.raw.partition(b"\xa5event")[2]
        return self.raw.partition(',"event":')[2][:-1]


class Talk:
    """A dialogue over a line: frames said and heard."""

    def __init__(self, line: Line, speech: Speech) -> None:
        self.line = line
        self.speech = speech
        self._later: deque[Message] = deque()
        self._refs = itertools.count(1)

    async def say(self, op: str, **members: Any) -> None:
        """Send one frame."""
        await self.say_raw(self.speech.write({"op": op, **members}))

    async def say_raw(self, message: Message) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            await self.line.send(message)

    async def hear_raw(self) -> Message:
        """Return the next frame's message; the server's own pings are passed over."""
        if self._later:
            return self._later.popleft()
        with trio.fail_after(PATIENCE_SECONDS):
            while self.speech.read(message := await self.line.receive()) == HEARTBEAT:
                pass
        return message

    async def hear(self, op: str | None = None) -> dict[str, Any]:
        """Return the next frame, which must be an ``op`` when one is named."""
        frame: dict[str, Any] = self.speech.read(await self.hear_raw())
        assert op is None or frame["op"] == op, frame
        return frame

    async def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """Send a frame with a fresh ``ref`` and return its answer; the rest is heard later."""
        ref = f"r{next(self._refs)}"
        await self.say(op, ref=ref, **members)
        passed: list[Message] = []
        while True:
            message = await self.hear_raw()
            frame: dict[str, Any] = self.speech.read(message)
            if frame.get("ref") == ref:
                self._later.extendleft(reversed(passed))
                return frame
            passed.append(message)

    async def asked(self, op: str, **members: Any) -> dict[str, Any]:
        """Ask, and expect to be granted it."""
        answer = await self.ask(op, **members)
        assert answer["op"] == "ok", answer
        return answer

    async def refused(self, op: str, **members: Any) -> dict[str, Any]:
        """Ask, expect to be refused, and return the problem."""
        answer = await self.ask(op, **members)
        assert answer["op"] == "error", answer
        problem: dict[str, Any] = answer["problem"]
        return problem

    async def event(self) -> Heard:
        """Return the next frame, which must be an event."""
        raw = await self.hear_raw()
        frame = self.speech.read(raw)
        assert frame["op"] == "event", frame
        return Heard(raw, frame)

    async def heard_so_far(self) -> list[dict[str, Any]]:
        """Return all that came before the answer to a ping sent now."""
        frames: list[dict[str, Any]] = []
        await self.say("ping", ref="so far")
        while (frame := await self.hear()).get("ref") != "so far":
            frames.append(frame)
        return frames

    async def events(self, count: int) -> list[Heard]:
        return [await self.event() for _ in range(count)]

    async def post(self, conversation: str, text: str, **message: Any) -> dict[str, Any]:
        """Write a message and return its receipt."""
        return await self.asked(
            "message.create", conversation=conversation, message={"text": text, **message}
        )

    async def closing(self) -> tuple[list[dict[str, Any]], int | None]:
        """Return everything that is said until the line closes, and the close code."""
        frames: list[dict[str, Any]] = []
        try:
            while True:
                frames.append(await self.hear())
        except LineClosedError as closed:
            return frames, closed.code


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@asynccontextmanager
async def dialing(
    url: str,
    headers: dict[str, str] | None = None,
    *,
    receive_buffer_bytes: int | None = None,
    speech: Speech | None = None,
    offering: list[str] | None = None,
) -> AsyncIterator[Talk]:
    """Open a WebSocket with trio-websocket; ``offering`` = these subprotocols instead."""
    speech = speech or spoken[-1]
    subprotocols = [speech.subprotocol] if offering is None else offering
    async with trio.open_nursery() as nursery:
        stream = await _connect(url, receive_buffer_bytes)
        try:
            line = await _upgrade(nursery, stream, url, headers or {}, subprotocols)
            yield Talk(line, speech)
        finally:
            await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def talking(url: str, key: str, speech: Speech | None = None) -> AsyncIterator[Talk]:
    """Open a WebSocket with trio-websocket; the server has said that it is ready."""
    async with dialing(url, bearer(key), speech=speech) as talk:
        await talk.hear("ready")
        yield talk


@asynccontextmanager
async def talking_httpx(url: str, key: str) -> AsyncIterator[Talk]:
    """Open a WebSocket with httpx2; the server has said that it is ready."""
    speech = spoken[-1]
    async with (
        httpx2.AsyncClient() as client,
        client.websocket(
            url,
            headers=bearer(key),
            subprotocols=[speech.subprotocol],
            max_message_size_bytes=MESSAGE_BYTES_MAX,
        ) as session,
    ):
        talk = Talk(HttpxLine(session, binary=speech.binary), speech)
        await talk.hear("ready")
        yield talk


async def refusal(
    url: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, headers and problem of an upgrade that must be refused."""
    stream = await _connect(url, None)
    refusals: list[ConnectionRejected] = []
    try:
        async with stream, trio.open_nursery() as nursery:
            await _upgrade(nursery, stream, url, headers or {}, [spoken[-1].subprotocol])
            nursery.cancel_scope.cancel()
    except* ConnectionRejected as group:
        refusals += [error for error in group.exceptions if isinstance(error, ConnectionRejected)]
    assert refusals, "the upgrade was not refused"
    names = {name.decode().lower(): value.decode() for name, value in refusals[0].headers}
    return refusals[0].status_code, names, json.loads(refusals[0].body or b"null")


async def _connect(url: str, receive_buffer_bytes: int | None) -> trio.SocketStream:
    parts = urlsplit(url)
    assert parts.port is not None
    plain = trio.socket.socket()
    if receive_buffer_bytes is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    with trio.fail_after(PATIENCE_SECONDS):
        await plain.connect((parts.hostname, parts.port))
    return trio.SocketStream(plain)


async def _upgrade(
    nursery: trio.Nursery,
    stream: trio.SocketStream,
    url: str,
    headers: dict[str, str],
    subprotocols: list[str],
) -> TrioLine:
    parts = urlsplit(url)
    with trio.fail_after(PATIENCE_SECONDS):
        connection = await wrap_client_stream(
            nursery,
            stream,
            parts.netloc,
            parts.path + (f"?{parts.query}" if parts.query else ""),
            subprotocols=subprotocols,
            extra_headers=[(name.encode(), value.encode()) for name, value in headers.items()],
        )
    return TrioLine(connection, stream)


def _code(error: ConnectionClosed) -> int | None:
    code = error.reason.code if error.reason is not None else None
    return None if code == ABNORMAL_CLOSURE else code


ABNORMAL_CLOSURE = 1006
"""What the library says when no close frame came."""
