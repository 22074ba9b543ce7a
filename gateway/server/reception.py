"""Where connections and their requests are told to whom they belong (shell)."""

import logging
from collections.abc import Callable
from functools import partial

import trio

from engine.errors import ParleyError
from gateway.api.answering import turned_away
from gateway.api.contract import Response, Streaming
from gateway.callers import Caller
from gateway.dispatch import Dispatcher, Head
from gateway.fanout.switchboard import Switchboard
from gateway.http import trace
from gateway.http.problem import internal
from gateway.realtime import dialects
from gateway.realtime.session import Session
from gateway.realtime.upgrading import admitted
from gateway.server import handshake
from gateway.server.addresses import Proxies
from gateway.server.asgi import ASGIApp
from gateway.server.asgi_tenant import AsgiTenant
from gateway.server.channel import Channel
from gateway.server.connection import Connection
from gateway.server.handshake import RefusedHandshakeError
from gateway.server.http1 import Incoming
from gateway.server.http_tenant import HttpTenant
from gateway.server.stream_line import StreamLine
from gateway.server.websocket_line import WebSocketLine

LOG = logging.getLogger("parley.server")


class Reception:
    """Has requests answered: by dispatch, as a WebSocket, or by an application in this process."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        switchboard: Switchboard,
        app: ASGIApp,
        *,
        proxies: Proxies,
        left: Callable[[Connection], None],
    ) -> None:
        """Answer by ``dispatcher`` and ``app``; ``left`` is told of connections that have ended."""
        self.nursery: trio.Nursery | None = None
        """Where the application answers."""
        self._dispatcher = dispatcher
        self._switchboard = switchboard
        self._app = app
        self._proxies = proxies
        self._left = left
        # With the same two methods for all connections, not two more for each.
        self._http = partial(HttpTenant, serve=self._serve, hand_over=self._hand_over)

    def welcome(self, channel: Channel, peer: str, *, secure: bool) -> Connection:
        """Return a new connection over ``channel``, which speaks HTTP; it is the talker to be."""
        connection = Connection(
            channel,
            peer,
            secure=secure,
            outflow=self._switchboard.outflow,
            wheel=self._switchboard.wheel,
            left=self._left,
        )
        connection.become(self._http(connection))
        return connection

    def _serve(self, http: HttpTenant, incoming: Incoming) -> None:
        """Begin to answer a request."""
        if incoming.upgrade:
            self._upgrade(http, incoming)
            return
        head = Head(
            incoming.method,
            incoming.raw_path,
            incoming.query,
            incoming.headers,
            self._proxies.client_of(http.connection.peer, incoming.headers),
        )
        errand = self._dispatcher.dispatch_known(head, http.read_body)
        self._switchboard.errands.begin(errand, http.answered)

    def _hand_over(self, http: HttpTenant, incoming: Incoming, answer: Streaming | None) -> None:
        """Let a stream, or without one the application, answer a request."""
        if answer is not None:
            stream = StreamLine(http.connection, answer, chunked=incoming.http_version == "1.1")
            http.become(stream)
            stream.begin()
        elif self.nursery is not None:
            guest = AsgiTenant(http, incoming)
            http.lend(guest)
            self.nursery.start_soon(guest.run, self._app)
        else:
            http.connection.channel.abort()

    def _upgrade(self, http: HttpTenant, incoming: Incoming) -> None:
        try:
            protocols = handshake.check(incoming)
        except RefusedHandshakeError as refusal:
            _refuse(http, incoming, refusal)
            return

        http.connection.channel.pause()  # what comes before the answer belongs to the WebSocket

        def looked(caller: Caller | None, error: Exception | None) -> None:
            if error is None:
                self._open(http, incoming, protocols, caller)
            else:
                _refuse(http, incoming, error)

        self._switchboard.errands.begin(
            admitted(self._dispatcher, incoming.raw_path, incoming.query, incoming.headers), looked
        )

    def _open(
        self, http: HttpTenant, incoming: Incoming, protocols: list[str], caller: Caller | None
    ) -> None:
        """Let the connection become a WebSocket with a session."""
        connection = http.connection
        if connection.over:
            return
        dialect, subprotocol = dialects.agreed(protocols)
        connection.wire.answer(handshake.accepted(incoming, subprotocol))
        line = WebSocketLine(connection, binary=dialect.binary)
        session = Session(
            line,
            dispatcher=self._dispatcher,
            switchboard=self._switchboard,
            dialect=dialect,
            caller=caller,
            traceparent=trace.traceparent_of(incoming.headers),
        )
        line.begin(session)
        http.become(line)


def _refuse(http: HttpTenant, incoming: Incoming, error: Exception) -> None:
    """Refuse an upgrade; the connection has no next request then."""
    if not isinstance(error, ParleyError):
        LOG.error("an upgrade failed", exc_info=error)
        error = internal()
    answer = turned_away(error, instance=incoming.raw_path)
    if isinstance(error, RefusedHandshakeError):
        headers = (*answer.headers, *error.headers)
        answer = Response(answer.status, answer.body, headers, answer.content_type)
    http.answer(answer, close=True)
