"""A WebSocket client (RFC 6455) that sends text frames and takes them, and nothing else.

Masked with the key 0, which a server has to undo like any other but costs the generator nothing.
"""

import base64
import hashlib
import os
from collections.abc import Callable

from bench.load.line import Line
from bench.load.poller import Poller

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MASK_KEY = b"\0\0\0\0"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
FINAL = 0x80
HEAD_BYTES_MAX = 16 * 1024

OnPayload = Callable[[bytes], None]
OnClosed = Callable[[str], None]


class HandshakeError(Exception):
    """The server did not agree to speak WebSocket."""


class ProtocolError(Exception):
    """The server sent what this client does not understand."""


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one whole frame of a client."""
    size = len(payload)
    if size < 126:
        head = bytes((FINAL | opcode, FINAL | size))
    elif size < 1 << 16:
        head = bytes((FINAL | opcode, FINAL | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((FINAL | opcode, FINAL | 127)) + size.to_bytes(8, "big")
    return head + MASK_KEY + payload


def unframed(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Split what a server sent into (opcode, payload) and the beginning of the next frame."""
    found: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while end - at >= 2:
        start, size = at + 2, data[at + 1]
        if size == 126:
            start, size = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
        elif size == 127:
            start, size = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
        elif size > 127:
            raise ProtocolError("a server's frame must not be masked")
        if start + size > end:
            break
        if not data[at] & FINAL:
            raise ProtocolError("a message in fragments")
        found.append((data[at] & 0x0F, data[start : start + size]))
        at = start + size
    return found, data[at:]


class WebSocket:
    """One connection. ``on_payload`` gets each text message."""

    def __init__(
        self,
        poller: Poller,
        address: tuple[str, int],
        upgrade: Callable[[str], bytes],
        *,
        on_payload: OnPayload,
        on_closed: OnClosed,
    ) -> None:
        """Connect and shake hands, waiting for both.

        Args:
            poller: serves the connection from then on.
            address: host and port.
            upgrade: returns the request, given its ``Sec-WebSocket-Key``.
            on_payload: called with the payload of every text frame.
            on_closed: called with the reason when the server closes or leaves.
        """
        self._rest = b""
        self._on_payload = on_payload
        self._on_closed = on_closed
        self._line = Line(poller, address, self._take, self._left)
        try:
            self._shake_hands(upgrade)
        except BaseException:
            self._line.close()
            raise
        self._line.listen()
        if self._rest:
            self._take(b"")

    def send(self, payload: bytes) -> None:
        """Send one text message."""
        self._line.send(frame(TEXT, payload))

    def close(self) -> None:
        self._line.close()

    def _shake_hands(self, upgrade: Callable[[str], bytes]) -> None:
        key = base64.b64encode(os.urandom(16)).decode("ascii")
        self._line.socket.sendall(upgrade(key))
        head, self._rest = self._head()
        status, _, fields = head.partition(b"\r\n")
        digest = hashlib.sha1(key.encode("ascii") + ACCEPT, usedforsecurity=False).digest()
        names = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in fields.split(b"\r\n"))
        }
        accepted = names.get(b"sec-websocket-accept") == base64.b64encode(digest)
        if not status.startswith(b"HTTP/1.1 101") or not accepted:
            raise HandshakeError(status.decode("latin-1"))

    def _head(self) -> tuple[bytes, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = self._line.socket.recv(4096)
            if not chunk or len(received) > HEAD_BYTES_MAX:
                raise HandshakeError("no answer to the upgrade")
            received += chunk
        head, _, rest = received.partition(b"\r\n\r\n")
        return head, rest

    def _take(self, data: bytes) -> None:
        found, self._rest = unframed(self._rest + data if self._rest else data)
        for opcode, payload in found:
            if opcode == TEXT:
                self._on_payload(payload)
            elif opcode == PING:
                self._line.send(frame(PONG, payload))
            elif opcode == CLOSE:
                self._line.close()
                self._on_closed(f"closed by the server: {payload[2:].decode()}")
                return
            else:
                raise ProtocolError(f"a frame with the opcode {opcode}")

    def _left(self) -> None:
        self._on_closed("the server left without a word")
