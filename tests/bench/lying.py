"""Servers that do to their messages what a test wants, in every dialect of the generator."""

import functools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Literal

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

HOST = "127.0.0.1"
MESSAGE_BYTES = 200
MESSAGES_WAITING_MAX = 1000
"""More than are ever under way: a pong is seen behind any number of messages."""
VICTIM = 1
AT = 5
"""The message of which something is done to the victim, who is not the one that writes."""

Lie = Callable[[int, int, str], list[str]]
"""What a member gets instead of a message, given its number, the member's, and the message.

The member that writes is 0. What is no message of the load has the number -1.
"""


def nothing(number: int, member: int, text: str) -> list[str]:
    del number, member, text
    return []


def honest(number: int, member: int, text: str) -> list[str]:
    del number, member
    return [text]


def kept_from_one(number: int, member: int, text: str) -> list[str]:
    return [] if (number, member) == (AT, VICTIM) else [text]


def kept_from_all(number: int, member: int, text: str) -> list[str]:
    del member
    return [] if number == AT else [text]


def none_from_then_on(number: int, member: int, text: str) -> list[str]:
    del member
    return [] if number >= AT else [text]


def huge(number: int, member: int, text: str) -> list[str]:
    padded = text.replace("{", '{"pad":"%s",' % ("x" * (1 << 16)), 1)
    return [padded] if (number, member) == (AT, VICTIM) else [text]


def twice(number: int, member: int, text: str) -> list[str]:
    return [text, text] if (number, member) == (AT, VICTIM) else [text]


def of_another_room(number: int, member: int, text: str) -> list[str]:
    other = re.sub('"w[01] ', lambda found: '"w0 ' if "1" in found[0] else '"w1 ', text)
    return [other] if (number, member) == (AT, VICTIM) else [text]


@dataclass
class Held:
    """Keeps messages from the victim until a later one is there."""

    until: int
    in_order: bool
    held: list[str] = field(default_factory=list)

    def __call__(self, number: int, member: int, text: str) -> list[str]:
        if member != VICTIM or not AT <= number <= self.until:
            return [text]
        if number < self.until:
            self.held.append(text)
            return []
        return [*self.held, text] if self.in_order else [text, *self.held]


@dataclass
class Rooms:
    """The dialect ``ws``: join a room, post to it."""

    lie: Lie = honest
    closes_at: int | None = None
    """The message at which the victim is left."""
    rooms: dict[str, list[WebSocketConnection]] = field(default_factory=dict)
    posts: int = 0
    joined: int = 0
    writers: set[WebSocketConnection] = field(default_factory=set)

    async def serve(self, request: WebSocketRequest) -> None:
        socket = await request.accept()
        try:
            await self.greet(socket)
            while True:
                await self.take(socket, await socket.get_message())
        except ConnectionClosed:
            for members in self.rooms.values():
                members[:] = [other for other in members if other is not socket]

    async def greet(self, socket: WebSocketConnection) -> None:
        await socket.send_message('{"hello":"world"}')
        await socket.ping()

    async def take(self, socket: WebSocketConnection, frame: str | bytes) -> None:
        message = json.loads(frame)
        if "join" in message:
            self.join(message["join"], socket)
        else:
            assert len(frame) == MESSAGE_BYTES
            await self.post(socket, message["room"], message["text"], json.dumps(message))

    def join(self, room: str, socket: WebSocketConnection) -> None:
        self.rooms.setdefault(room, []).append(socket)
        self.joined += 1

    async def post(
        self, socket: WebSocketConnection, room: str, text: str, frame: str | bytes
    ) -> None:
        number = self.posts if text.startswith("w") else -1
        if number >= 0:
            self.posts += 1
            self.writers.add(socket)
        others = [other for other in self.rooms[room] if other is not socket]
        for member, other in enumerate([socket, *others]):
            if (number, member) == (self.closes_at, VICTIM):
                await other.aclose(1012, "bye")
                continue
            await self.pass_on(number, member, other, frame)

    async def pass_on(
        self, number: int, member: int, other: WebSocketConnection, frame: str | bytes
    ) -> None:
        with suppress(ConnectionClosed):
            for text in self.lie(number, member, str(frame)):
                await other.send_message(text)


@asynccontextmanager
async def serving_rooms(rooms: Rooms) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        serve = functools.partial(serve_websocket, message_queue_size=MESSAGES_WAITING_MAX)
        server = await nursery.start(serve, rooms.serve, HOST, 0, None)
        yield server.port
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving_bytes(
    handler: Callable[[trio.SocketStream], Awaitable[None]],
) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        listeners: Sequence[trio.SocketListener] = await nursery.start(
            functools.partial(trio.serve_tcp, handler, 0, host=HOST)
        )
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


class SocketIo(Rooms):
    """Engine.IO 4 and Socket.IO; lets nobody in who does not answer a ping."""

    async def greet(self, socket: WebSocketConnection) -> None:
        await socket.send_message('0{"sid":"one","pingInterval":25000}')
        assert await socket.get_message() == "40"
        await socket.send_message("2")
        assert await socket.get_message() == "3"
        await socket.send_message('40{"sid":"two"}')

    async def take(self, socket: WebSocketConnection, frame: str | bytes) -> None:
        assert isinstance(frame, str)
        assert frame.startswith("42")
        name, given = json.loads(frame[2:])
        if name == "join":
            self.join(given, socket)
        else:
            assert len(frame) == MESSAGE_BYTES
            told = "42" + json.dumps(["message", given])
            await self.post(socket, given["room"], given["text"], told)


class Nats(Rooms):
    """NATS over a WebSocket, whose frames end anywhere in a message."""

    async def greet(self, socket: WebSocketConnection) -> None:
        await socket.send_message(b'INFO {"server_id":"one"}\r\n')

    async def take(self, socket: WebSocketConnection, frame: str | bytes) -> None:
        assert isinstance(frame, bytes)
        head, _, rest = frame.partition(b"\r\n")
        words = head.split()
        if words[0] == b"CONNECT":
            subscribe, ping, end = rest.split(b"\r\n")
            assert (subscribe.split()[::2], ping, end) == ([b"SUB", b"1"], b"PING", b"")
            self.join(subscribe.split()[1].decode(), socket)
            await socket.send_message(b"PONG\r\n")
        elif words[0] == b"PUB":
            assert len(frame) == MESSAGE_BYTES
            assert int(words[2]) == len(rest) - 2
            message = b"MSG %b 1 %b\r\n%b" % (words[1], words[2], rest)
            text = json.loads(rest)["text"]
            await self.post(socket, words[1].decode(), text, message)

    async def pass_on(
        self, number: int, member: int, other: WebSocketConnection, frame: str | bytes
    ) -> None:
        assert isinstance(frame, bytes)
        cut = number * 7 % len(frame) + member
        await other.send_message(frame[:cut])
        await other.send_message(frame[cut:])


class Talk(Rooms):
    """The dialect ``parley``, which counts versions and answers; once it does so wrong."""

    def __init__(self, fault: Literal["", "skips", "refuses", "forgets"] = "") -> None:
        super().__init__()
        self.fault = fault
        self.version = 0
        self.keys: set[str] = set()

    async def greet(self, socket: WebSocketConnection) -> None:
        await socket.send_message('{"op":"ready"}')

    async def take(self, socket: WebSocketConnection, frame: str | bytes) -> None:
        said = json.loads(frame)
        ref, room = said["ref"], said["conversation"]
        answer = {"op": "ok", "ref": ref, "version": self.version}
        fault = self.fault if self.posts == AT else ""
        if said["op"] == "subscribe":
            self.join(room, socket)
        elif fault == "refuses":
            self.posts += 1
            answer = {"op": "error", "ref": ref, "problem": {"code": "busy"}}
        else:
            text, key = said["message"]["text"], said["message"]["idempotency_key"]
            assert len(frame) == MESSAGE_BYTES
            assert key not in self.keys
            self.keys.add(key)
            self.version += 2 if fault == "skips" else 1
            event = {"version": self.version, "data": {"text": text}}
            told = json.dumps({"op": "event", "event": event}, separators=(",", ":"))
            await self.post(socket, room, text, told)
        if fault != "forgets":
            await socket.send_message(json.dumps(answer, separators=(",", ":")))

    async def post(
        self, socket: WebSocketConnection, room: str, text: str, frame: str | bytes
    ) -> None:
        if room in self.rooms:
            await super().post(socket, room, text, frame)


def cutting(port: int) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """Return a server that passes on what is said to and by another, in pieces."""

    async def forward(source: trio.SocketStream, sink: trio.SocketStream) -> None:
        sizes = cycle((1, 2, 3, 50, 117))
        async for data in source:
            at = 0
            while at < len(data):
                size = next(sizes)
                await sink.send_all(data[at : at + size])
                at += size

    async def serve(stream: trio.SocketStream) -> None:
        behind = await trio.open_tcp_stream(HOST, port)
        async with behind, trio.open_nursery() as nursery:
            nursery.start_soon(forward, stream, behind)
            nursery.start_soon(forward, behind, stream)

    return serve


CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
REFUSED = b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\nnono"


def answers(*given: bytes) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """Return a server that answers each connection with these, the last of them again and again."""

    async def serve(stream: trio.SocketStream) -> None:
        left, data = list(given), b""
        async for more in stream:
            head, end, body = (data := data + more).partition(b"\r\n\r\n")
            if not end or len(body) < MESSAGE_BYTES:
                continue
            assert head.startswith(b"POST /rooms/0 ")
            assert json.loads(body[:MESSAGE_BYTES])["idempotency_key"]
            data = body[MESSAGE_BYTES:]
            assert not data, "one request at a time"
            answer = left.pop(0) if len(left) > 1 else left[0]
            if not answer:
                return
            for at in range(0, len(answer), 9):
                await stream.send_all(answer[at : at + 9])

    return serve
