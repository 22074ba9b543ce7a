"""Bytes straight on the socket, for what no client library would say or leave unread."""

import fcntl
import socket
import ssl
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from urllib.parse import urlsplit

import trio

RESET_AT_CLOSE = struct.pack("ii", 1, 0)
QUIET_SECONDS = 0.05
"""After how long a server that says nothing is taken to wait."""

PATIENCE_SECONDS = 15
SMALL_BUFFER_BYTES = 4096

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HTTP2_HEADERS, HTTP2_SETTINGS = 1, 4
WHOLE_REQUEST = 0x05
"""END_STREAM and END_HEADERS."""

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
WEBSOCKET = b"".join(
    line + b"\r\n"
    for line in (
        b"GET /v1/realtime HTTP/1.1",
        b"Host: parley",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
)


class Leaving(Enum):
    """How a client goes."""

    LATER = "it waits for an answer"
    CLOSING = "it closes at once"
    RESETTING = "it resets at once"


def handshake(*lines: bytes, key: str | None = None) -> bytes:
    """Return a WebSocket handshake with more header ``lines``."""
    if key is not None:
        lines = (*lines, f"Authorization: Bearer {key}".encode())
    return WEBSOCKET + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def frame(opcode: int, payload: bytes, *, reserved: int = 0, final: bool = True) -> bytes:
    """Return a WebSocket frame of a client, with a mask that changes nothing."""
    first = (0x80 if final else 0) | reserved << 4 | opcode
    if len(payload) < 126:
        head = bytes([first, 0x80 | len(payload)])
    else:
        head = bytes([first, 0x80 | 126]) + len(payload).to_bytes(2)
    return head + bytes(4) + payload


def http2_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def http2(*headers: tuple[bytes, bytes]) -> bytes:
    """Return a whole HTTP/2 request with prior knowledge; each header as it stands, unpacked."""
    block = b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in headers
    )
    settings = http2_frame(HTTP2_SETTINGS, 0, 0, b"")
    return HTTP2_PREFACE + settings + http2_frame(HTTP2_HEADERS, WHOLE_REQUEST, 1, block)


class Wire:
    """A connection of a client that knows no protocol, but may speak TLS."""

    def __init__(self, stream: trio.abc.Stream, plain: trio.socket.SocketType) -> None:
        self.stream = stream
        self.socket = plain

    async def send(self, data: bytes) -> None:
        """Send what the other side still takes."""
        try:
            await self.stream.send_all(data)
        except trio.BrokenResourceError:
            return

    async def become_socket(self, key: str | None = None) -> bytes:
        """Open a WebSocket; return what has come of its frames already."""
        await self.send(handshake(key=key))
        return (await self.until(b"\r\n\r\n")).partition(b"\r\n\r\n")[2]

    async def heard(self) -> bytes:
        """Return what comes until the other side closes, or is quiet for a while."""
        received = b""
        while True:
            more = b""
            with trio.move_on_after(QUIET_SECONDS):
                more = await self._more()
            if not more:
                return received
            received += more

    async def until(self, end: bytes) -> bytes:
        """Return what comes until ``end`` has come."""
        received = b""
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.checkpoint()
            while end not in received:
                more = await self._more()
                assert more, f"closed after {received!r}"
                received += more
        return received

    async def rest(self) -> bytes:
        """Return what comes until the other side has ended the connection."""
        received = b""
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.checkpoint()
            while more := await self._more():
                received += more
        return received

    async def until_blocked(self, data: bytes) -> None:
        """Repeat ``data`` until the other side takes no more of it: it waits for us to read."""
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.checkpoint()
            while True:
                with trio.move_on_after(QUIET_SECONDS) as quiet:
                    await self.stream.send_all(data)
                if quiet.cancelled_caught:
                    return

    async def until_full(self) -> None:
        """Wait until the kernel keeps all that it does for us, who read nothing."""
        with trio.fail_after(PATIENCE_SECONDS):  # noqa: ASYNC912
            before = -1
            while before != (kept := self._unread_bytes()):
                before = kept
                await trio.sleep(QUIET_SECONDS)
        assert before > 0, "nothing has come"

    def _unread_bytes(self) -> int:
        found = fcntl.ioctl(self.socket.fileno(), termios.FIONREAD, bytes(4))
        return int.from_bytes(found, sys.byteorder)

    async def until_cut_off(self, data: bytes) -> None:
        """Repeat ``data`` until the other side has ended the connection."""
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.checkpoint()
            try:
                while True:
                    await self.stream.send_all(data)
            except trio.BrokenResourceError:
                return

    def reset_at_close(self) -> None:
        """Let the connection end with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)

    async def _more(self) -> bytes:
        try:
            return bytes(await self.stream.receive_some())
        except trio.BrokenResourceError:
            return b""


@asynccontextmanager
async def wired(
    url: str, *, receive_buffer_bytes: int | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Wire]:
    """Connect to the server at ``url``; leave without a word."""
    parts = urlsplit(url)
    plain = trio.socket.socket()
    if receive_buffer_bytes is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    with trio.fail_after(PATIENCE_SECONDS):
        await plain.connect((parts.hostname, parts.port))
    stream: trio.abc.Stream = trio.SocketStream(plain)
    if tls is not None:
        name = parts.hostname
        stream = trio.SSLStream(stream, tls, server_hostname=name, https_compatible=True)
    try:
        yield Wire(stream, plain)
    finally:
        await trio.aclose_forcefully(stream)


async def thrown_at(url: str, packet: bytes, leaving: Leaving) -> bytes:
    """Send ``packet`` over a connection of its own and leave; return what came back before."""
    async with wired(url) as wire:
        await wire.send(packet)
        if leaving is Leaving.LATER:
            return await wire.heard()
        if leaving is Leaving.RESETTING:
            wire.reset_at_close()
    return b""
