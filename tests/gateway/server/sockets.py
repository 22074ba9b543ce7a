"""WebSockets over the doors of tests: a client's frames out, a server's frames in."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from trio.testing import wait_all_tasks_blocked

from gateway.framing.websocket import BINARY, CLOSE, PING, PONG, TEXT
from gateway.server.connection import Connection
from tests.gateway.server.doors import Door
from tests.gateway.server.masking import said
from tests.gateway.server.pipes import Peer

KEY = base64.b64encode(bytes(16)).decode()
JSON_SPEECH = "parley.v1+json"


@dataclass
class Socket:
    """The client's side of one WebSocket."""

    connection: Connection
    peer: Peer
    head: bytes = b""
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    _rest: bytes = b""

    def listen(self) -> None:
        """Take apart what has come: unmasked, whole frames (RFC 6455, section 5.2)."""
        data = self._rest + self.peer.read()
        while len(data) >= 2:
            assert data[0] & 0xF0 == 0x80, "whole frames without extensions"
            size, start = data[1], 2
            assert size < 128, "a server masks nothing"
            if size > 125:
                start += 2 if size == 126 else 8
                size = int.from_bytes(data[2:start], "big")
            if len(data) < start + size:
                break
            self.frames.append((data[0] & 0x0F, data[start : start + size]))
            data = data[start + size :]
        self._rest = data

    async def say(self, *frames: bytes) -> None:
        """Send frames in one piece, and wait until nothing more happens."""
        self.peer.send(b"".join(frames))
        await wait_all_tasks_blocked()
        self.listen()

    async def do(self, op: str, **members: Any) -> dict[str, Any]:
        """Send a frame of the dialogue, and return the last that came."""
        await self.say(frame(op, **members))
        return self.told[-1]

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the server has said in the dialogue."""
        return [json.loads(payload) for opcode, payload in self.frames if opcode == TEXT]

    @property
    def ops(self) -> list[str]:
        return [told["op"] for told in self.told]

    @property
    def pongs(self) -> list[bytes]:
        return [payload for opcode, payload in self.frames if opcode == PONG]

    @property
    def closes(self) -> list[tuple[int, str]]:
        """Codes and reasons of the close frames that came; 1005 is one without a code."""
        found = [payload for opcode, payload in self.frames if opcode == CLOSE]
        return [
            (int.from_bytes(payload[:2], "big") if payload else 1005, payload[2:].decode())
            for payload in found
        ]


def frame(op: str, **members: Any) -> bytes:
    return said(TEXT, json.dumps({"op": op, **members}).encode())


def ping(payload: bytes = b"") -> bytes:
    return said(PING, payload)


def closing(code: int | None = 1000, reason: str = "") -> bytes:
    payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
    return said(CLOSE, payload)


def upgrade(d: Door, *headers: str, authorized: bool = True, path: str = "/v1/realtime") -> bytes:
    wanted = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
        f"Sec-WebSocket-Protocol: {JSON_SPEECH}",
    )
    return d.head(f"GET {path}", *wanted, *headers, authorized=authorized)


async def dialed(
    d: Door, *, authorized: bool = True, behind: bytes = b"", buffer_bytes: int | None = None
) -> Socket:
    """Open a WebSocket; ``behind`` goes in the same write as the head."""
    connection, peer = d.connect(buffer_bytes=buffer_bytes)
    peer.send(upgrade(d, authorized=authorized) + behind)
    await wait_all_tasks_blocked()
    head, _, rest = peer.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), head
    socket = Socket(connection, peer, head)
    socket._rest = rest  # noqa: SLF001 - what came behind the head
    socket.listen()
    return socket


__all__ = ["BINARY", "TEXT", "Socket", "closing", "dialed", "frame", "ping", "upgrade"]
