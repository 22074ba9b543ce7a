"""One HTTP/1.1 connection: an object that is called back (shell).

It reads requests, lets them be answered one after the other, and becomes a WebSocket or a stream
when a request asks for one. Everything it waits for has a deadline.
"""

import logging
from typing import TYPE_CHECKING, Protocol

from engine.errand import Reply
from gateway.api.contract import Response
from gateway.dispatch import too_large, turned_away
from gateway.http.problem import HttpError
from gateway.limits import (
    CLOSING_SECONDS,
    HEAD_SECONDS,
    HEAR_OUT_SECONDS,
    KEEP_ALIVE_SECONDS,
    REQUEST_BODY_BYTES_MAX,
    REQUEST_BODY_SECONDS,
)
from gateway.server import responses
from gateway.server.channel import Channel
from gateway.server.deadline import Deadline
from gateway.server.http1 import Incoming, RefusedRequestError, RequestReader
from gateway.server.wire import Wire

if TYPE_CHECKING:
    from gateway.server.house import House

LOG = logging.getLogger("parley.server")

PIPELINED_ANSWER_BYTES_MAX = 64 * 1024
"""Answers to requests in a row that are joined into one write; when the peer takes none, the next
request is read only when it has taken those before."""


class Tenant(Protocol):
    """What has taken a connection over: a WebSocket, a stream, a call of the application."""

    def received(self, data: bytes) -> None:
        """Bytes have come."""

    def ended(self) -> None:
        """The peer will say nothing more."""

    def broken(self) -> None:
        """The connection has ended."""

    def sent_all(self) -> None:
        """Everything was sent, after ``finish`` of the wire."""

    def is_lagging(self) -> None:
        """The peer has taken nothing for a while."""

    def is_stuck(self) -> None:
        """The peer has taken nothing for too long."""

    def stop(self) -> None:
        """The server is stopping."""


class Connection:
    """The server's side of one connection."""

    __slots__ = (
        "_body",
        "_close_after",
        "_deadline",
        "_incoming",
        "_lingering",
        "_over",
        "_reader",
        "_refused",
        "_stopping",
        "_tenant",
        "_waits_for_room",
        "channel",
        "house",
        "peer",
        "secure",
        "wire",
    )

    def __init__(self, house: "House", channel: Channel, peer: str, *, secure: bool) -> None:
        """Speak over ``channel`` with whom ``peer`` is the address of."""
        self.house = house
        self.channel = channel
        self.peer = peer
        self.secure = secure
        self.wire = Wire(channel, self, house.switchboard.outflow, house.switchboard.wheel)
        self._reader: RequestReader | None = RequestReader(
            on_request=self._serve, on_refused=self._refuse_request
        )
        self._incoming: Incoming | None = None
        self._body: Reply[Exception | bool] | None = None
        self._refused: RefusedRequestError | None = None
        self._tenant: Tenant | None = None
        self._close_after = False
        self._lingering = False
        self._waits_for_room = False
        self._stopping = False
        self._over = False
        self._deadline = Deadline(house.switchboard.wheel)
        self._deadline.within(HEAD_SECONDS, self._give_up)

    def received(self, data: bytes) -> None:
        """Read on; what comes after a close was announced is dropped."""
        if self._tenant is not None:
            self._tenant.received(data)
        elif self._reader is not None and not self._lingering:
            was_idle = self._reader.idle
            if self._incoming is not None and self._incoming.complete:
                self.channel.pause()  # what is pipelined waits in the socket
            self._reader.feed(data)
            self._heard(was_idle=was_idle)

    def ended(self) -> None:
        """The peer says no more: what it has asked is still answered."""
        if self._tenant is not None:
            self._tenant.ended()
        elif self._incoming is not None and self._incoming.complete:
            self._close_after = True
        elif self._incoming is None and self.wire.waiting and not self._lingering:
            self._close()  # it may still listen
        else:
            self.channel.abort()

    @property
    def over(self) -> bool:
        """Say whether it has ended."""
        return self._over

    def writable(self) -> None:
        """There is room again."""
        self.wire.writable()
        if self._waits_for_room and not self.wire.waiting:
            self._waits_for_room = False
            self._go_on()

    def broken(self) -> None:
        """The connection has ended."""
        self._over = True
        self.wire.shut()
        self._deadline.end()
        if self._body is not None:
            self._body.give(HttpError("request_timeout", "the connection has ended"))
        tenant, self._tenant = self._tenant, None
        if tenant is not None:
            tenant.broken()
        self._reader = None
        self.house.left(self)

    def sent_all(self) -> None:
        """Everything was sent, and nothing more will be."""
        if self._tenant is not None:
            self._tenant.sent_all()
        else:
            self._hear_out()

    def is_lagging(self) -> None:
        """The peer takes nothing."""
        if self._tenant is not None:
            self._tenant.is_lagging()

    def is_stuck(self) -> None:
        """The peer has taken nothing for too long."""
        if self._tenant is not None:
            self._tenant.is_stuck()
        else:
            self.channel.abort()

    def stop(self) -> None:
        """Take no more requests; one that is under way is answered, then the connection ends."""
        self._stopping = True
        if self._tenant is not None:
            self._tenant.stop()
        elif self._incoming is None and not self._lingering:
            if self.wire.waiting:
                self._close()
            else:
                self.channel.abort()

    def become(self, tenant: Tenant) -> None:
        """Let ``tenant`` have the connection from now on, with what was read beyond the request."""
        rest = self._reader.rest if self._reader is not None else b""
        self._tenant = tenant
        self._reader = None
        self._incoming = None
        self._deadline.end()
        self.channel.resume()
        if rest:
            tenant.received(rest)

    def lend(self, tenant: Tenant) -> None:
        """Let ``tenant`` answer the present request; :meth:`take_back` ends that."""
        self._tenant = tenant

    def take_back(self) -> None:
        """The present request was answered by whom the connection was lent to."""
        self._tenant = None
        self._answer_sent()

    def reclaim(self) -> None:
        """Let the tenant go that the connection was lent to, before it has answered."""
        self._tenant = None

    def close_after(self) -> None:
        """End behind the present answer."""
        self._close_after = True

    def end(self) -> None:
        """End once the peer has taken everything, or has had the time for it."""
        if not self._over and not self._lingering:
            self._hear_out()

    def feed_body(self, data: bytes) -> None:
        """Read on for a tenant that the present request was lent to: the rest of its body."""
        if self._reader is not None:
            self._reader.feed(data)

    async def read_body(self) -> bytes:
        """Return the body of the present request.

        Raises:
            HttpError: ``too_large`` or ``request_timeout``.
        """
        incoming = self._incoming
        if incoming is None or self._over:
            raise HttpError("request_timeout", "the connection has ended")
        if self._refused is not None:
            raise self._refused
        if not incoming.complete:
            if incoming.expects_continue:
                self.wire.answer(responses.CONTINUE)
            self._body = Reply()
            self._deadline.within(REQUEST_BODY_SECONDS, self._body_is_late)
            failure = await self._body.given()
            self._body = None
            self._deadline.clear()
            if isinstance(failure, Exception):
                raise failure
        if len(incoming.body) > REQUEST_BODY_BYTES_MAX:
            raise too_large()
        return bytes(incoming.body)

    def answer(self, response: Response, *, head_only: bool = False, close: bool = False) -> None:
        """Send a whole response to the present request."""
        if self._over:
            return
        if close:
            self._close_after = True
        self.wire.answer(
            responses.whole(
                response.status,
                response.body,
                response.headers,
                content_type=response.content_type,
                close=self.closes(),
                bodiless=head_only,
            )
        )
        self._answer_sent()

    def closes(self) -> bool:
        """Say whether the connection ends behind the present answer."""
        incoming = self._incoming
        return (
            self._close_after
            or self._stopping
            or incoming is None
            or not incoming.keep_alive
            or not incoming.complete
            or incoming.http_version == "1.0"  # who asks to go on would have to be told so
        )

    def _serve(self, incoming: Incoming) -> None:
        """Begin to answer a request; those behind it wait."""
        if self._reader is not None:
            self._reader.hold()
        self._incoming = incoming
        self._deadline.clear()
        self.house.serve(self, incoming)

    def _heard(self, *, was_idle: bool) -> None:
        """See what the last bytes have changed for whoever waits."""
        reader, incoming = self._reader, self._incoming
        if reader is None:
            return
        if self._body is not None and incoming is not None:
            if incoming.complete:
                self._body.give(True)  # noqa: FBT003 - it is there
            elif len(incoming.body) > REQUEST_BODY_BYTES_MAX:
                self._body.give(too_large())
        elif incoming is None and was_idle and reader.amid:
            self._deadline.within(HEAD_SECONDS, self._give_up)

    def _answer_sent(self) -> None:
        """Go on with the next request, or end."""
        incoming, reader = self._incoming, self._reader
        closes = self.closes()
        self._incoming = None
        if self._over or reader is None:
            return
        if closes or incoming is None:
            self._close()
            return
        self._deadline.within(KEEP_ALIVE_SECONDS, self._give_up)
        if self.wire.waiting > PIPELINED_ANSWER_BYTES_MAX:
            self.wire.flush()
        if self.wire.blocked:
            self._waits_for_room = True
            self.channel.pause()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Take the next request, if there is one."""
        if self._reader is not None:
            reader = self._reader
            self.channel.resume()
            reader.resume()
            if self._incoming is None and reader is self._reader and reader.amid:
                self._deadline.within(HEAD_SECONDS, self._give_up)

    def _close(self) -> None:
        """End when everything was sent; what the peer still says is dropped."""
        self._close_after = True
        self._reader = None
        self.wire.finish()

    def _refuse_request(self, refusal: RefusedRequestError) -> None:
        """Answer what is no request, and end."""
        if self._body is not None:
            self._body.give(refusal)
        elif self._incoming is None:
            self._close_after = True
            self.answer(turned_away(refusal, instance=None))
        else:
            self._close_after = True
            self._refused = refusal  # for whoever asks for the body

    def _hear_out(self) -> None:
        """Let the peer send the rest, which is dropped: a close amid it would destroy the answer.

        A client reads the answer when it has sent everything; bytes that arrive at a closed socket
        are answered with a reset, which throws away what the client has not read yet.
        """
        self._lingering = True
        self.channel.shut_down()
        self.channel.resume()
        self._deadline.within(HEAR_OUT_SECONDS, self._give_up)

    def _body_is_late(self) -> None:
        if self._body is not None:
            detail = f"the body did not arrive within {REQUEST_BODY_SECONDS:g} seconds"
            self._body.give(HttpError("request_timeout", detail))

    def _give_up(self) -> None:
        """Nothing has come in time. Who was amid a head is told so."""
        reader = self._reader
        if reader is not None and reader.amid and not self._lingering and self._incoming is None:
            error = HttpError("request_timeout", f"the head took over {HEAD_SECONDS:g} seconds")
            answer = turned_away(error, instance=None)
            self.answer(answer, close=True)
            self._deadline.within(CLOSING_SECONDS, self.channel.abort)
        elif self.wire.waiting and not self._lingering:
            # It is still being answered; a peer that takes nothing is ended by the wire.
            self._deadline.within(KEEP_ALIVE_SECONDS, self._give_up)
        else:
            self.channel.abort()
