"""What all connections of a server share, and how their requests are answered (shell)."""

import logging
from collections.abc import Callable
from http import HTTPStatus

import trio

from engine.errors import ParleyError
from gateway.api.contract import Response, Streaming
from gateway.callers import Caller
from gateway.dispatch import Dispatcher, Head, turned_away
from gateway.fanout.switchboard import Switchboard
from gateway.http import trace
from gateway.realtime import dialects
from gateway.realtime.dialects import json as json_dialect
from gateway.realtime.session import Session
from gateway.realtime.upgrading import admitted
from gateway.server import handshake
from gateway.server.addresses import Proxies
from gateway.server.asgi import ASGIApp
from gateway.server.asgi_tenant import AsgiTenant
from gateway.server.connection import Connection
from gateway.server.handshake import RefusedHandshakeError
from gateway.server.http1 import Incoming
from gateway.server.stream_line import StreamLine
from gateway.server.websocket_line import WebSocketLine

LOG = logging.getLogger("parley.server")


class House:
    """Answers requests: by dispatch, as a WebSocket, or by an application in this process."""

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
        self.dispatcher = dispatcher
        self.switchboard = switchboard
        self.app = app
        self.nursery: trio.Nursery | None = None
        """Where the application answers."""
        self._proxies = proxies
        self.left = left

    def serve(self, connection: Connection, incoming: Incoming) -> None:
        """Begin to answer a request of ``connection``."""
        if incoming.upgrade:
            self._upgrade(connection, incoming)
            return

        def answered(answer: Response | Streaming | None, error: Exception | None) -> None:
            if isinstance(answer, Response):
                connection.answer(answer, head_only=incoming.method == "HEAD")
            elif isinstance(answer, Streaming):
                self._stream(connection, incoming, answer)
            elif error is None:
                self._call_app(connection, incoming)
            else:
                LOG.error("a request was not answered", exc_info=error)
                connection.channel.abort()

        head = Head(
            incoming.method,
            incoming.raw_path,
            incoming.query,
            incoming.headers,
            self._proxies.client_of(connection.peer, incoming.headers),
        )
        errand = self.dispatcher.dispatch_known(head, connection.read_body)
        self.switchboard.errands.begin(errand, answered)

    def _upgrade(self, connection: Connection, incoming: Incoming) -> None:
        try:
            protocols = handshake.check(incoming)
        except RefusedHandshakeError as refusal:
            self._refuse(connection, incoming, refusal)
            return

        connection.channel.pause()  # what comes before the answer belongs to the WebSocket

        def looked(caller: Caller | None, error: Exception | None) -> None:
            if error is None:
                self._open(connection, incoming, protocols, caller)
            else:
                self._refuse(connection, incoming, error)

        self.switchboard.errands.begin(
            admitted(self.dispatcher, incoming.raw_path, incoming.query, incoming.headers), looked
        )

    def _open(
        self,
        connection: Connection,
        incoming: Incoming,
        protocols: list[str],
        caller: Caller | None,
    ) -> None:
        """Let the connection become a WebSocket with a session."""
        if connection.over:
            return
        agreed = dialects.chosen(protocols)
        dialect = agreed or json_dialect.DIALECT
        subprotocol = agreed.subprotocol if agreed else None
        connection.wire.answer(handshake.accepted(incoming, subprotocol))
        line = WebSocketLine(connection, binary=dialect.binary)
        session = Session(
            line,
            dispatcher=self.dispatcher,
            switchboard=self.switchboard,
            dialect=dialect,
            caller=caller,
            traceparent=trace.traceparent_of(incoming.headers),
        )
        line.begin(session)
        connection.become(line)

    def _stream(self, connection: Connection, incoming: Incoming, answer: Streaming) -> None:
        if incoming.method == "HEAD":
            empty = Response(HTTPStatus.OK, b"", answer.headers, answer.content_type)
            connection.answer(empty, head_only=True)
        elif not connection.over:
            line = StreamLine(connection, answer, chunked=incoming.http_version == "1.1")
            connection.become(line)
            line.begin()

    def _call_app(self, connection: Connection, incoming: Incoming) -> None:
        if self.nursery is None or connection.over:
            connection.channel.abort()
            return
        tenant = AsgiTenant(connection, incoming)
        connection.lend(tenant)
        self.nursery.start_soon(tenant.run, self.app)

    def _refuse(self, connection: Connection, incoming: Incoming, error: Exception) -> None:
        """Refuse an upgrade; the connection has no next request then."""
        if not isinstance(error, ParleyError):
            LOG.error("an upgrade failed", exc_info=error)
            error = ParleyError("something failed on our side; it was logged")
        answer = turned_away(error, instance=incoming.raw_path)
        if isinstance(error, RefusedHandshakeError):
            headers = (*answer.headers, *error.headers)
            answer = Response(answer.status, answer.body, headers, answer.content_type)
        connection.answer(answer, close=True)
