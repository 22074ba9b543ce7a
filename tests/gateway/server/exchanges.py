"""One request, seen from both sides: the exchange of a connection, and the peer at its end."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import trio

from gateway.server.asgi import ASGIApp, PeerGoneError, respond
from gateway.server.asgi_messages import Headers, http_scope


@dataclass(frozen=True)
class Asked:
    """The head of a request."""

    method: str = "GET"
    raw_path: str = "/"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: {"host": "parley"})
    http_version: str = "1.1"

    @property
    def scope(self) -> dict[str, Any]:
        return http_scope(self, scheme="http", client=("192.0.2.1", 4711), server=("::1", 80))


class Peer:
    """An exchange whose peer is the test: it sends, reads as fast as it likes, and leaves."""

    def __init__(self, *, unread_parts_max: float = math.inf) -> None:
        self.status: int | None = None
        self.headers: Headers = []
        self.ended = False
        self.left = trio.Event()
        self.breaks: Exception | None = None
        self._body_is_over = False
        self.coming, self._body = trio.open_memory_channel[tuple[bytes, bool] | Exception](math.inf)
        self._answer, self._unread = trio.open_memory_channel[bytes](unread_parts_max)

    def sends(self, *chunks: bytes, more: bool = False) -> "Peer":
        """Send a body in ``chunks``; without any, none. ``more`` of it may follow."""
        for chunk in chunks:
            self.coming.send_nowait((chunk, True))
        if not more:
            self.coming.send_nowait((b"", False))
        return self

    async def reads(self) -> bytes:
        """Return what has come until the answer has ended, or nothing comes for now."""
        received = bytearray()
        while True:
            await trio.testing.wait_all_tasks_blocked()
            try:
                received += self._unread.receive_nowait()
            except trio.WouldBlock:
                return bytes(received)

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)

    async def receive_body(self) -> tuple[bytes, bool]:
        assert not self._body_is_over, "nobody asks behind the end of a body"
        found = await self._body.receive()
        if isinstance(found, Exception):
            raise found
        self._body_is_over = not found[1]
        return found

    async def disconnected(self) -> None:
        await self.left.wait()

    async def start(self, status: int, headers: Headers) -> None:
        assert self.status is None, "an answer has one status"
        self.status, self.headers = status, headers

    async def send(self, body: bytes, *, more: bool) -> None:
        assert self.status is not None, "the status goes first"
        assert not self.ended, "nothing goes behind the last part"
        if self.left.is_set():
            raise PeerGoneError("the peer has left")
        if self.breaks is not None:
            raise self.breaks
        await self._answer.send(body)
        self.ended = not more


async def answered(app: ASGIApp, asked: Asked | None = None, peer: Peer | None = None) -> Peer:
    """Let ``app`` answer a request to its end; return the peer that has the answer."""
    peer = peer or Peer().sends()
    await respond(app, (asked or Asked()).scope, peer)
    return peer
