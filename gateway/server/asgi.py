"""Calls an ASGI 3 application in this process, for what is not in the route table (shell)."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import trio

from gateway.server.asgi_messages import Answer, Headers, Message

LOG = logging.getLogger("parley.server")

APP_ENDS_SECONDS = 5.0
"""How long an application may go on when its answer is complete, or nobody is there to take it."""

Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

_DISCONNECT: Message = {"type": "http.disconnect"}


class PeerGoneError(OSError):
    """The peer has left: nobody takes an answer any more."""


class UnansweredError(Exception):
    """The application has ended without a word: the caller may answer with a 500.

    ``__cause__`` is what the application raised, ``None`` if it just returned.
    """


class BrokenOffError(Exception):
    """The answer was begun and will not be completed: the connection must be closed, unended.

    ``__cause__`` is what the application raised, ``None`` if it just returned.
    """


class Exchange(Protocol):
    """What a connection gives for one request. Every wait may be cancelled, and loses nothing."""

    async def receive_body(self) -> tuple[bytes, bool]:
        """Return the next bytes of the body, once there are some, and whether more will come.

        A request without a body has ``(b"", False)``; it is not called again after that.

        Raises:
            PeerGoneError: the peer has left. Trio's own errors of a broken or closed stream count
                as the same, here and in ``start`` and ``send``.
            Exception: the body is refused (too large, too slow); ``respond`` raises it again.
        """

    async def disconnected(self) -> None:
        """Return when the peer has left. Waits beside each of the others, while ``respond`` runs.

        Whoever implements this goes on reading once the body has come, else it is never noticed.
        """

    async def start(self, status: int, headers: Headers) -> None:
        """Begin the answer; names are in lower case, and none of them speaks of the connection."""

    async def send(self, body: bytes, *, more: bool) -> None:
        """Send the next part of the answer, the last if not ``more``; it may be empty.

        Waits while the peer does not read, so that what waits for it stays bounded.
        """


async def respond(app: ASGIApp, scope: dict[str, Any], exchange: Exchange) -> None:
    """Let ``app`` answer one request. Returns when the answer is complete, or the peer has left.

    Whatever the application does: when this returns or raises, it has ended. It is told of a peer
    that has left, and cancelled ``APP_ENDS_SECONDS`` later.

    Args:
        app: the application.
        scope: of ``asgi_messages.http_scope``.
        exchange: of the connection.

    Raises:
        UnansweredError: nothing was sent.
        BrokenOffError: a part was sent, and there is no more to come.
        Exception: what ``exchange.receive_body`` raised, if nothing was sent.

    Cancellation: cancels the application; what was sent stays sent.
    """
    await _Call(scope["method"], exchange).run(app, scope)


class _Call:
    """One call of an application."""

    def __init__(self, method: str, exchange: Exchange) -> None:
        self._exchange = exchange
        self._answer = Answer(method)
        self._app = trio.CancelScope()
        self._over = trio.Event()  # the answer is complete, or the peer has left
        self._peer_left = False
        self._body_read = False
        self._reading: trio.CancelScope | None = None
        self._refusal: Exception | None = None

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            try:
                with self._app:
                    await app(scope, self._receive, self._send)
            except Exception as error:  # noqa: BLE001 - it is raised again, or logged
                failure = error
            nursery.cancel_scope.cancel()
        self._judge(failure)

    def _judge(self, failure: Exception | None) -> None:
        if self._answer.complete or self._peer_left:
            if self._app.cancelled_caught:
                LOG.warning("an application went on when nothing was left to do, and was ended")
            elif _besides_leaving(failure) is not None:
                LOG.warning("an application failed when its answer was over", exc_info=failure)
        elif self._answer.begun:
            raise BrokenOffError("the application has ended amid its answer") from failure
        elif self._refusal is not None:
            raise self._refusal
        else:
            raise UnansweredError("the application has ended without an answer") from failure

    async def _receive(self) -> Message:
        if not self._body_read and not self._over.is_set():
            return await self._receive_body()
        await self._over.wait()  # a checkpoint also when it is over: who asks on and on spins alone
        return _DISCONNECT

    async def _receive_body(self) -> Message:
        with trio.CancelScope() as self._reading:
            return await self._body_message()
        return _DISCONNECT

    async def _body_message(self) -> Message:
        try:
            chunk, more = await self._exchange.receive_body()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            self._leave()
            return _DISCONNECT
        except Exception as error:
            self._refusal = error
            raise
        self._body_read = not more
        return {"type": "http.request", "body": chunk, "more_body": more}

    async def _send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        if self._peer_left:
            raise PeerGoneError("the peer has left")
        part = self._answer.take(message)
        if part is None:
            return
        try:
            if part.head is not None:
                await self._exchange.start(*part.head)
            await self._exchange.send(part.body, more=part.more)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._leave()
            raise PeerGoneError("the peer has left") from error
        if not part.more:
            self._end()

    async def _watch(self) -> None:
        await self._exchange.disconnected()
        self._leave()

    def _leave(self) -> None:
        self._peer_left = True
        self._end()

    def _end(self) -> None:
        if self._over.is_set():
            return
        self._over.set()
        self._app.deadline = trio.current_time() + APP_ENDS_SECONDS
        if self._reading is not None:
            self._reading.cancel()


def _besides_leaving(failure: Exception | None) -> BaseException | None:
    """Return what an application raised but for being told that its peer has left."""
    if isinstance(failure, ExceptionGroup):
        return failure.split(PeerGoneError)[1]
    return None if isinstance(failure, PeerGoneError) else failure
