"""One request that the application in this process answers (shell): a guest of HTTP's.

It has the connection for one answer; HTTP goes on with the next request behind it.
"""

import logging

import trio

from engine.errors import ParleyError
from gateway.api.answering import turned_away
from gateway.fanout.outlet import ClosedOutletError
from gateway.framing.chunked import LAST_CHUNK, chunk
from gateway.http.problem import HttpError, internal
from gateway.limits import ASGI_BODY_BYTES_MAX, REQUEST_BODY_SECONDS
from gateway.server import responses
from gateway.server.asgi import (
    ASGIApp,
    BrokenOffError,
    PeerGoneError,
    UnansweredError,
    respond,
)
from gateway.server.asgi_messages import Headers, http_scope
from gateway.server.http1 import Incoming
from gateway.server.http_tenant import HttpTenant

LOG = logging.getLogger("parley.server")

PART_BYTES = 64 * 1024
"""What of an answer is handed on at once, so that little waits for a peer that reads slowly."""

_NO_BODY = frozenset({204, 304})


class AsgiTenant:
    """Gives the application its request, and takes the answer."""

    def __init__(self, http: HttpTenant, incoming: Incoming) -> None:
        """Answer ``incoming`` over the connection of ``http``, which lends it to this."""
        self._http = http
        self._connection = http.connection
        self._incoming = incoming
        self._more = trio.Event()
        self._gone = trio.Event()
        self._chunked = False
        self._bodiless = incoming.method == "HEAD"
        self._continued = not incoming.expects_continue

    async def run(self, app: ASGIApp) -> None:
        """Let ``app`` answer. Whatever it does, the connection goes on or ends."""
        connection, incoming = self._connection, self._incoming
        scope = http_scope(
            incoming,
            scheme="https" if connection.secure else "http",
            client=(connection.peer, 0),
            server=None,
        )
        try:
            await respond(app, scope, self)
        except UnansweredError as error:
            LOG.exception("an application did not answer", exc_info=error)
            self._refuse(internal())
        except BrokenOffError as error:
            LOG.exception("an application broke an answer off", exc_info=error)
            connection.channel.abort()
        except ParleyError as error:
            self._refuse(error)

    async def receive_body(self) -> tuple[bytes, bool]:
        """Return the next bytes of the body."""
        incoming = self._incoming
        if not self._continued and not incoming.complete:
            self._continued = True
            self._connection.wire.answer(responses.CONTINUE)
        while not incoming.body and not incoming.complete:
            if self._gone.is_set():
                raise PeerGoneError("the peer has left")
            self._more = trio.Event()
            with trio.move_on_after(REQUEST_BODY_SECONDS) as deadline:
                await self._more.wait()
            if deadline.cancelled_caught:
                detail = f"nothing of the body came for {REQUEST_BODY_SECONDS:g} seconds"
                raise HttpError("request_timeout", detail)
        body = bytes(incoming.body)
        incoming.body.clear()
        if not incoming.complete:
            self._connection.channel.resume()
        return body, not incoming.complete

    async def disconnected(self) -> None:
        """Return when the peer has left."""
        await self._gone.wait()

    async def start(self, status: int, headers: Headers) -> None:
        """Begin the answer: with the length it has, or in chunks."""
        self._check_here()
        lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        measured = any(name == "content-length" for name, _ in lines)
        self._bodiless = self._bodiless or status in _NO_BODY
        self._chunked = not measured and not self._bodiless and self._incoming.http_version == "1.1"
        close = self._http.closes() or not (measured or self._chunked or self._bodiless)
        if close:
            self._http.close_after()
        self._connection.wire.answer(
            responses.head(status, lines, chunked=self._chunked, close=close)
        )

    async def send(self, body: bytes, *, more: bool) -> None:
        """Send the next part of the answer, when the peer has taken most of those before."""
        self._check_here()
        wire = self._connection.wire
        if not self._bodiless:
            for begin in range(0, len(body), PART_BYTES):
                part = body[begin : begin + PART_BYTES]
                wire.answer(chunk(part) if self._chunked else part)
                try:
                    await wire.has_room()
                except ClosedOutletError as error:
                    raise PeerGoneError("the peer has left") from error
        if more:
            return
        if self._chunked:
            wire.answer(LAST_CHUNK)
        self._http.take_back()

    def received(self, data: bytes) -> None:
        """More of the body has come, or of what follows it."""
        incoming = self._incoming
        beyond = incoming.complete
        self._http.feed_body(data)
        if beyond or len(incoming.body) >= ASGI_BODY_BYTES_MAX:
            self._connection.channel.pause()
        self._more.set()

    def ended(self) -> None:
        """The peer says no more; it may still listen, unless its body is missing."""
        if self._incoming.complete:
            self._http.close_after()
        else:
            self._connection.channel.abort()

    def writable(self) -> None:
        """Nothing: who waits for room is woken by the wire."""

    def broken(self) -> None:
        """The connection has ended."""
        self._gone.set()
        self._more.set()

    def sent_all(self) -> None:
        """Nothing: the connection was lent, and ends by itself."""

    def is_lagging(self) -> None:
        """Nothing: only the peer can help that."""

    def is_stuck(self) -> None:
        """The peer takes nothing."""
        self._connection.channel.abort()

    def stop(self) -> None:
        """The server is stopping: the answer is completed within the time that is left."""
        self._http.close_after()

    def _check_here(self) -> None:
        if self._gone.is_set():
            raise PeerGoneError("the peer has left")

    def _refuse(self, error: ParleyError) -> None:
        if not self._gone.is_set():
            answer = turned_away(error, instance=self._incoming.raw_path)
            self._http.reclaim()
            self._http.answer(answer, close=True)
