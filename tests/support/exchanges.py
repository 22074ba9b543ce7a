"""One connection on which requests are asked in a row, byte by byte if need be, and answered."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import trio

from tests.support.wire import PATIENCE_SECONDS, Wire, wired

INTERIM = 100


class Exchanges(Wire):
    """Reads the answers one after the other; what a client library would not let us see, too."""

    def __init__(self, stream: trio.abc.Stream, plain: trio.socket.SocketType) -> None:
        """Speak over ``stream``."""
        super().__init__(stream, plain)
        self._received = bytearray()

    async def ask(self, *lines: bytes, body: bytes = b"") -> None:
        """Send one request: its line, its headers but for the host, and its body."""
        first, *others = lines
        head = b"\r\n".join((first + b" HTTP/1.1", b"Host: parley", *others))
        await self.send(head + b"\r\n\r\n" + body)

    async def answer(self, *, bodiless: bool = False, lines: int = 0) -> httpx2.Response:
        """Return the next answer: whole, or so many ``lines`` of one without an end.

        A ``bodiless`` one, to a HEAD, is its head alone.
        """
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.checkpoint()
            status, headers = await self._head()
            if bodiless or status in {INTERIM, 204, 304}:
                return httpx2.Response(status, headers=headers)
            if headers.get("transfer-encoding") == "chunked":
                body = await self._chunks(lines)
            else:
                body = await self._take(int(headers.get("content-length", "0")))
        return httpx2.Response(status, headers=headers, content=body)

    async def is_over(self) -> bool:
        """Say, when the other side has ended the connection, whether it had said no more."""
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.checkpoint()
            return not self._received and not await self._more()

    async def _head(self) -> tuple[int, httpx2.Headers]:
        status_line, *lines = (await self._line(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = [(name, value.strip()) for name, _, value in (x.partition(":") for x in lines)]
        return int(status_line.split()[1]), httpx2.Headers(pairs)

    async def _chunks(self, lines: int) -> bytes:
        body = b""
        while size := int(await self._line(b"\r\n"), 16):
            body += await self._take(size)
            await self._line(b"\r\n")
            if lines and body.count(b"\n") >= lines:
                return body
        await self._line(b"\r\n")
        return body

    async def _line(self, end: bytes) -> bytes:
        while end not in self._received:
            await self._read()
        line, _, self._received = self._received.partition(end)
        return bytes(line)

    async def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            await self._read()
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    async def _read(self) -> None:
        more = await self._more()
        assert more, f"closed after {bytes(self._received[-200:])!r}"
        self._received += more


@asynccontextmanager
async def exchanging(
    url: str, *, receive_buffer_bytes: int | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Exchanges]:
    """Connect to the server at ``url``; leave without a word."""
    async with wired(url, receive_buffer_bytes=receive_buffer_bytes, tls=tls) as wire:
        yield Exchanges(wire.stream, wire.socket)
