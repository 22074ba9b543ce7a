"""The first bytes of a connection from a proxy: for whom it is (shell)."""

import logging
from collections.abc import Callable

import trio

from gateway.server.connection import Connection
from gateway.server.proxy_protocol import V2_BYTES_MAX, BadPreambleError, read

LOG = logging.getLogger("parley.server")

Recount = Callable[[Connection, str], bool]


class Preambled:
    """Reads the preamble, then steps aside. Only trusted proxies may send one, and they must."""

    def __init__(self, connection: Connection, recount: Recount, *, trusted: bool) -> None:
        """Stand before ``connection``."""
        self._connection = connection
        self._recount = recount
        self._trusted = trusted
        self._read = b""

    def received(self, data: bytes) -> None:
        """Read on, until the preamble is whole."""
        connection = self._connection
        self._read += data
        try:
            found = read(self._read) if self._trusted else (None, 0)
        except BadPreambleError as error:
            LOG.warning("a proxy did not say for whom it connects", extra={"why": str(error)})
            connection.channel.abort()
            return
        if found is None:
            return
        client, used = found
        if client is not None and not self._recount(connection, client):
            connection.channel.abort()
            return
        connection.channel.talker = connection
        if rest := self._read[used:]:
            connection.received(rest)

    def ended(self) -> None:
        """The proxy has left."""
        self._connection.channel.abort()

    def writable(self) -> None:
        """There is room again."""
        self._connection.writable()

    def broken(self) -> None:
        """The connection has ended."""
        self._connection.broken()


class Prefixed(trio.abc.HalfCloseableStream):
    """A stream of which the first bytes were read already."""

    def __init__(self, stream: trio.SocketStream, first: bytes) -> None:
        """Read ``first`` again, then ``stream``."""
        self._stream = stream
        self._first = first

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return the next bytes."""
        if not self._first:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        first, self._first = self._first[:max_bytes], self._first[max_bytes or len(self._first) :]
        return first

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of ``data``."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for room."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Say that nothing more will be sent."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()


async def read_preamble(stream: trio.SocketStream) -> tuple[str | None, Prefixed]:
    """Return for whom a proxy connects, if it says so, and the stream behind the preamble.

    Raises:
        BadPreambleError: it says nothing that can be understood, or leaves amid it.
    """
    data = b""
    while (found := read(data)) is None:
        more = await stream.receive_some(V2_BYTES_MAX)
        if not more:
            raise BadPreambleError("the connection ended amid the PROXY preamble")
        data += more
    client, used = found
    return client, Prefixed(stream, data[used:])
