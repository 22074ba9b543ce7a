"""HTTP/1.1 over one connection (shell): the tenant that every connection begins with.

It reads requests and lets them be answered one after the other. The connection is lent to the
application for one answer, and handed over for good to a WebSocket or a stream. Everything it
waits for has a deadline.
"""

import logging
from collections.abc import Callable

from engine.errand import Reply
from gateway.api.answering import turned_away
from gateway.api.contract import Response, Streaming
from gateway.http.body import too_large
from gateway.http.problem import HttpError
from gateway.limits import (
    CLOSING_SECONDS,
    HEAD_SECONDS,
    KEEP_ALIVE_SECONDS,
    REQUEST_BODY_BYTES_MAX,
    REQUEST_BODY_SECONDS,
)
from gateway.server import responses
from gateway.server.connection import Connection, Tenant
from gateway.server.deadline import Deadline
from gateway.server.http1 import Incoming, RefusedRequestError, RequestReader

LOG = logging.getLogger("parley.server")

PIPELINED_ANSWER_BYTES_MAX = 64 * 1024
"""Answers to requests in a row that are joined into one write; when the peer takes none, the next
request is read only when it has taken those before."""

Serve = Callable[["HttpTenant", Incoming], None]
HandOver = Callable[["HttpTenant", Incoming, Streaming | None], None]


class HttpTenant:
    """Has a connection while requests come over it."""

    __slots__ = (
        "_body",
        "_close_after",
        "_deadline",
        "_hand_over",
        "_incoming",
        "_reader",
        "_refused",
        "_serve",
        "_waits_for_room",
        "connection",
    )

    def __init__(self, connection: Connection, *, serve: Serve, hand_over: HandOver) -> None:
        """Read the requests of ``connection``, the first from now on.

        Args:
            connection: which is to become this one's.
            serve: begins to answer a request, which ends in :meth:`answered` or :meth:`answer`.
            hand_over: lets a stream or, without one, the application answer a request.
        """
        self.connection = connection
        self._serve = serve
        self._hand_over = hand_over
        self._reader: RequestReader | None = RequestReader(
            on_request=self._begin, on_refused=self._refuse_request
        )
        self._incoming: Incoming | None = None
        self._body: Reply[Exception | bool] | None = None
        self._refused: RefusedRequestError | None = None
        self._close_after = False
        self._waits_for_room = False
        self._deadline = Deadline(connection.wheel)
        self._deadline.within(HEAD_SECONDS, self._give_up)

    def received(self, data: bytes) -> None:
        """Read on; what comes after a close was announced is dropped."""
        reader = self._reader
        if reader is None:
            return
        was_amid = reader.amid
        if self._incoming is not None and self._incoming.complete:
            self.connection.channel.pause()  # what is pipelined waits in the socket
        reader.feed(data)
        if self._incoming is not None:
            self._heard_body(self._incoming)
        elif not was_amid and reader is self._reader and reader.amid:
            self._deadline.within(HEAD_SECONDS, self._give_up)

    def ended(self) -> None:
        """The peer says no more: what it has asked is still answered."""
        if self._incoming is not None and self._incoming.complete:
            self._close_after = True
        elif self._incoming is None and self.connection.wire.waiting:
            self._close()  # it may still listen
        else:
            self.connection.channel.abort()

    def writable(self) -> None:
        """There is room again."""
        if self._waits_for_room and not self.connection.wire.waiting:
            self._waits_for_room = False
            self._go_on()

    def broken(self) -> None:
        """The connection has ended."""
        self._deadline.end()
        self._reader = self._incoming = None
        if self._body is not None:
            self._body.give(_gone())

    def sent_all(self) -> None:
        """The last answer has left."""
        self.connection.end()

    def is_lagging(self) -> None:
        """Nothing: there is no word for it amid an answer."""

    def is_stuck(self) -> None:
        """The peer takes nothing."""
        self.connection.channel.abort()

    def stop(self) -> None:
        """Take no more requests; one that is under way is answered, then the connection ends."""
        self._close_after = True
        if self._incoming is not None or self._reader is None:
            return
        if self.connection.wire.waiting:
            self._close()
        else:
            self.connection.channel.abort()

    def become(self, tenant: Tenant) -> None:
        """Let ``tenant`` have the connection for good, with what was read beyond the request."""
        rest = self._reader.rest if self._reader is not None else b""
        self._deadline.end()
        self._reader = self._incoming = None
        self.connection.become(tenant)
        self.connection.channel.resume()
        if rest:
            tenant.received(rest)

    def lend(self, guest: Tenant) -> None:
        """Let ``guest`` answer the present request; the time for that is its own affair."""
        self._deadline.end()
        self.connection.become(guest)

    def take_back(self) -> None:
        """The present request was answered by whom the connection was lent to."""
        self.connection.become(self)
        self._answer_sent(closes=self.closes())

    def reclaim(self) -> None:
        """Let the guest go before it has answered: the answer comes from here."""
        self.connection.become(self)

    def close_after(self) -> None:
        """End behind the present answer."""
        self._close_after = True

    def feed_body(self, data: bytes) -> None:
        """Read on for a guest: the rest of the body of its request."""
        if self._reader is not None:
            self._reader.feed(data)

    async def read_body(self) -> bytes:
        """Return the body of the present request; who decodes it looks at its length once more.

        Raises:
            HttpError: ``too_large`` or ``request_timeout``.
            RefusedRequestError: it is malformed.
        """
        incoming = self._incoming
        if incoming is None:
            raise _gone()
        if self._refused is not None:
            raise self._refused
        if not incoming.complete:
            await self._rest_of(incoming)
        return bytes(incoming.body)

    def answered(self, answer: Response | Streaming | None, error: Exception | None) -> None:
        """Send what was found for the present request; ``None`` is for the application."""
        incoming = self._incoming
        if isinstance(answer, Response):
            self.answer(answer)
        elif error is not None:
            LOG.error("a request was not answered", exc_info=error)
            self.connection.channel.abort()
        elif incoming is not None:
            self._hand_over(self, incoming, answer)

    def answer(self, response: Response, *, close: bool = False) -> None:
        """Send a whole response to the present request, without its body to a HEAD.

        Whoever has left gets nothing: the wire takes none of it.
        """
        incoming = self._incoming
        closes = close or self.closes()
        bodiless = incoming is not None and incoming.method == "HEAD"
        self.connection.wire.answer(responses.of(response, close=closes, bodiless=bodiless))
        self._answer_sent(closes=closes)

    def closes(self) -> bool:
        """Say whether the connection ends behind the present answer."""
        incoming = self._incoming
        return (
            self._close_after
            or incoming is None
            or not incoming.keep_alive
            or not incoming.complete
            or incoming.http_version == "1.0"  # who asks to go on would have to be told so
        )

    def _begin(self, incoming: Incoming) -> None:
        """Begin to answer a request; those behind it wait."""
        if self._reader is not None:
            self._reader.hold()
        self._incoming = incoming
        self._deadline.clear()
        self._serve(self, incoming)

    def _heard_body(self, incoming: Incoming) -> None:
        """See what the last bytes have changed for whoever waits for the body."""
        if incoming.complete:
            if self._body is not None:
                self._body.give(True)  # noqa: FBT003 - it is there
        elif len(incoming.body) > REQUEST_BODY_BYTES_MAX:
            if self._body is not None:
                self._body.give(too_large())
            else:
                self.connection.channel.pause()  # nobody may ever ask for it

    async def _rest_of(self, incoming: Incoming) -> None:
        """Wait until the body is complete."""
        if len(incoming.body) > REQUEST_BODY_BYTES_MAX:
            raise too_large()
        if incoming.expects_continue:
            self.connection.wire.answer(responses.CONTINUE)
        self._body = Reply()
        self._deadline.within(REQUEST_BODY_SECONDS, self._body_is_late)
        failure = await self._body.given()
        self._body = None
        self._deadline.clear()
        if isinstance(failure, Exception):
            raise failure

    def _answer_sent(self, *, closes: bool) -> None:
        """Go on with the next request, or end."""
        self._incoming = None
        if self.connection.over or self._reader is None:
            return
        if closes:
            self._close()
            return
        self._deadline.within(KEEP_ALIVE_SECONDS, self._give_up)
        wire = self.connection.wire
        if wire.waiting > PIPELINED_ANSWER_BYTES_MAX:
            wire.flush()
        if wire.blocked:
            self._waits_for_room = True
            self.connection.channel.pause()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Take the next request, if there is one."""
        reader = self._reader
        if reader is not None:
            self.connection.channel.resume()
            reader.resume()
            if self._incoming is None and reader is self._reader and reader.amid:
                self._deadline.within(HEAD_SECONDS, self._give_up)

    def _close(self) -> None:
        """End when everything was sent; what the peer still says is dropped."""
        self._close_after = True
        self._reader = None
        self._deadline.end()
        self.connection.wire.finish()

    def _refuse_request(self, refusal: RefusedRequestError) -> None:
        """Answer what is no request, or no body of one: none of these goes on (``closes``)."""
        if self._body is not None:
            self._body.give(refusal)
        elif self._incoming is None:
            self.answer(turned_away(refusal, instance=None))
        else:
            self._refused = refusal  # for whoever asks for the body

    def _body_is_late(self) -> None:
        if self._body is not None:
            detail = f"the body did not arrive within {REQUEST_BODY_SECONDS:g} seconds"
            self._body.give(HttpError("request_timeout", detail))

    def _give_up(self) -> None:
        """Nothing has come in time. Who was amid a head is told so."""
        if self._reader is not None and self._reader.amid:
            error = HttpError("request_timeout", f"the head took over {HEAD_SECONDS:g} seconds")
            self.answer(turned_away(error, instance=None), close=True)
            self.connection.close_within(CLOSING_SECONDS)
        elif self.connection.wire.waiting:
            # It is still being answered; a peer that takes nothing is ended by the wire.
            self._deadline.within(KEEP_ALIVE_SECONDS, self._give_up)
        else:
            self.connection.channel.abort()


def _gone() -> HttpError:
    return HttpError("request_timeout", "the connection has ended")
