"""One WebSocket to a server, whose TCP connection is ended with it (shell).

Two things are done here that trio-websocket leaves out. It does not close a TCP connection that
has broken, and a client that connects again and again would keep them all. And it goes on waiting
for the answer to its upgrade when the connection has ended.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import SplitResult, urlsplit

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from gateway.limits import CONNECT_SECONDS, RECEIVED_FRAME_BYTES_MAX

SUBPROTOCOL = "parley.v1+json"
CLOSING_SECONDS = 1.0
DEFAULT_PORTS = {"ws": 80, "wss": 443}

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


@asynccontextmanager
async def connected(address: str, key: str) -> AsyncIterator[WebSocketConnection]:
    """Open a WebSocket with ``key`` in a header; close it in the end.

    Raises:
        trio.TooSlowError: no connection within ``CONNECT_SECONDS``.
        OSError, trio.BrokenResourceError: it cannot be connected to; an ``ssl.SSLError`` is the
            cause when it is TLS that fails.
        BaseExceptionGroup: of ``ConnectionRejected`` when the upgrade is refused, and of whatever
            the body raises.
    """
    parts = urlsplit(address)
    with trio.fail_after(CONNECT_SECONDS):
        stream = await _stream(parts)
    try:
        async with trio.open_nursery() as nursery:
            socket = await _upgraded(nursery, _WatchedStream(stream), parts, key)
            yield socket
            with trio.move_on_after(CLOSING_SECONDS):
                await socket.aclose()
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


class _WatchedStream(trio.abc.Stream):
    """A stream that tells when nothing more can come."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.ended = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            received = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.ended.set()
            raise
        if not received:
            self.ended.set()
        return received

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _upgraded(
    nursery: trio.Nursery, stream: _WatchedStream, parts: SplitResult, key: str
) -> WebSocketConnection:
    watched: Any = stream  # as good as the two kinds of stream that are annotated there
    with trio.fail_after(CONNECT_SECONDS), trio.CancelScope() as answering:
        nursery.start_soon(_cancel_at, stream.ended, answering)
        return await wrap_client_stream(
            nursery,
            watched,
            parts.netloc,
            parts.path,
            subprotocols=[SUBPROTOCOL],
            extra_headers=[(b"Authorization", f"Bearer {key}".encode())],
            max_message_size=RECEIVED_FRAME_BYTES_MAX,
        )
    message = "the connection was closed before it was answered"
    raise trio.BrokenResourceError(message)


async def _cancel_at(moment: trio.Event, scope: trio.CancelScope) -> None:
    await moment.wait()
    scope.cancel()


async def _stream(parts: SplitResult) -> Stream:
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    if parts.scheme == "ws":
        return await trio.open_tcp_stream(host, port)
    context = ssl.create_default_context()
    secure = await trio.open_ssl_over_tcp_stream(
        host, port, ssl_context=context, https_compatible=True
    )
    try:
        await secure.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(secure)
        raise
    return secure
