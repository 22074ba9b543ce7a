"""Hypercorn, with a guard around every connection and a deadline on every write (shell).

Hypercorn parses and frames; what it cannot be told is done here: a failure of one connection ends
that one alone, a client that does not read is cut off, and stopping waits for no client.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import h11
import hypercorn.protocol
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ws_stream
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio import tcp_server
from hypercorn.trio.task_group import TaskGroup, _handle
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    AppWrapper,
    ASGIReceiveEvent,
    ASGISendEvent,
    ConnectionState,
    Scope,
)
from hypercorn.utils import wrap_app
from wsproto.extensions import PerMessageDeflate

from gateway.app import App
from gateway.config import Settings
from gateway.limits import (
    FRAME_BYTES_MAX,
    HEAR_OUT_SECONDS,
    OUTBOUND_WRITE_SECONDS,
    SHUTDOWN_SECONDS,
)
from gateway.metrics.connections import OpenConnections

LOG = logging.getLogger("parley.server")

Stream = trio.SocketStream | trio.SSLStream[Any]


class HypercornServer:
    """Accepts connections and lets Hypercorn speak on them."""

    def __init__(
        self, app: App, settings: Settings, connections: OpenConnections | None = None
    ) -> None:
        """Serve ``app`` on the address in ``settings``; count ``connections``."""
        self._connections = connections or OpenConnections()
        self.config = _config(settings)
        self.app = wrap_app(app, self.config.wsgi_max_body_size, "asgi")
        self.context = WorkerContext(None)
        self._settings = settings
        self._writes: set[trio.CancelScope] = set()
        self._ends_at = float("inf")

    async def serve(
        self, stopping: trio.Event, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until ``stopping`` is set, then for at most ``SHUTDOWN_SECONDS`` more.

        ``task_status`` is told the port when connections are accepted.

        Raises:
            OSError: the address cannot be listened on.
        """
        listeners = await trio.open_tcp_listeners(
            self._settings.port, host=self._settings.host, backlog=self.config.backlog
        )
        self._connections.begin()
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                serve = partial(
                    trio.serve_listeners,
                    self.talk,
                    self._with_tls(listeners),
                    handler_nursery=connections,
                )
                accepting.start_soon(serve)
                task_status.started(listeners[0].socket.getsockname()[1])
                await stopping.wait()
                accepting.cancel_scope.cancel()
            await self.stop()
            connections.cancel_scope.deadline = self._ends_at

    async def stop(self) -> None:
        """Take no more requests, and give writes ``SHUTDOWN_SECONDS`` to end."""
        await self.context.terminated.set()
        self._end_by(trio.current_time() + SHUTDOWN_SECONDS)

    @contextmanager
    def write_deadline(self) -> Iterator[trio.CancelScope]:
        """Bound one write. It is shielded, since half a frame is worse than none."""
        deadline = min(trio.current_time() + OUTBOUND_WRITE_SECONDS, self._ends_at)
        with trio.CancelScope(deadline=deadline, shield=True) as scope:
            self._writes.add(scope)
            try:
                yield scope
            finally:
                self._writes.discard(scope)

    async def talk(self, stream: Stream) -> None:
        """Speak on one accepted connection until it ends."""
        connection = GuardedConnection(self, stream)
        self._connections.opened()
        try:
            await connection.run()
        except Exception as error:
            LOG.warning("a connection failed and was closed", exc_info=error)
        finally:
            self._connections.closed()
            await trio.aclose_forcefully(stream)

    def _with_tls(self, listeners: list[trio.SocketListener]) -> list[Any]:
        context = self.config.create_ssl_context()
        if context is None:
            return listeners
        return [trio.SSLListener(one, context, https_compatible=True) for one in listeners]

    def _end_by(self, moment: float) -> None:
        self._ends_at = moment
        for scope in self._writes:
            scope.deadline = min(scope.deadline, moment)


class GuardedConnection(TCPServer):
    """One connection: its writes have a deadline, and it hears its client out before it closes."""

    def __init__(self, server: HypercornServer, stream: Stream) -> None:
        """Speak on ``stream`` for ``server``."""
        # Hypercorn asks the stream itself whether it speaks TLS, whatever its annotation says.
        plain: Any = stream
        super().__init__(server.app, server.config, server.context, ConnectionState({}), plain)
        self._server = server
        self._open = trio.CancelScope()
        self._heard_out = trio.Event()

    async def run(self) -> None:
        """Speak until either side ends the connection."""
        with self._open:
            await super().run()

    async def protocol_send(self, event: Event) -> None:
        """Send bytes, or give the client up when it takes none of them in time."""
        if isinstance(event, Updated):
            # The task that waits while a connection is idle is started by the answer that made it
            # so; without the shield it would be cancelled with that answer, and nothing would wait.
            with trio.CancelScope(shield=True):
                await super().protocol_send(event)
            return
        if not isinstance(event, RawData):
            if isinstance(event, Closed) and self._amid_a_body():
                await self._hear_out()
            await super().protocol_send(event)
            return
        async with self.send_lock:
            try:
                with self._server.write_deadline() as scope:
                    await self.stream.send_all(event.data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self._give_up()
                return
            if scope.cancelled_caught:
                await self._give_up()

    async def _read_data(self) -> None:
        try:
            await super()._read_data()
        finally:
            self._heard_out.set()
        # Else a connection that was closed while idle would stay until the idle time is over.
        await self.idle_task.stop()

    def _amid_a_body(self) -> bool:
        """Say whether the client is still sending a body that nobody wants any more."""
        protocol = self.protocol.protocol
        return isinstance(protocol, H11Protocol) and (
            protocol.connection.their_state is h11.SEND_BODY
        )

    async def _hear_out(self) -> None:
        """Let the client send the rest, which is dropped: a close amid it would destroy the answer.

        A client reads the answer when it has sent everything; bytes that arrive at a closed socket
        are answered with a reset, which throws away what the client has not read yet.
        """
        with trio.move_on_after(HEAR_OUT_SECONDS, shield=True):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError, AttributeError):
                await self.stream.send_eof()
            await self._heard_out.wait()

    async def _give_up(self) -> None:
        """End all of the connection; Hypercorn may wait inside of it for what comes no more."""
        try:
            await trio.aclose_forcefully(self.stream)
            await self.protocol.handle(Closed())
        finally:
            self._open.cancel()


class H11ThatSaysSo(H11Protocol):
    """HTTP/1.1 that announces the close when it answers amid a body: the connection has no next."""

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of an answer."""
        if isinstance(event, Response) and self.connection.their_state is h11.SEND_BODY:
            event = replace(event, headers=[*event.headers, (b"connection", b"close")])
        await super().stream_send(event)


hypercorn.protocol.H11Protocol = H11ThatSaysSo  # type: ignore[attr-defined]


class AppsThatEnd(TaskGroup):
    """Runs apps; what still comes for one that has answered is dropped.

    Hypercorn would wait for ever for room in the queue of an app that reads no more of it, and a
    connection that waits so is never closed.
    """

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start an app; return how it is told of what comes."""
        coming, taken = trio.open_memory_channel[ASGIReceiveEvent](config.max_app_queue_size)

        async def until_it_ends(*arguments: Any) -> None:
            with taken:
                await app(*arguments)

        async def tell(event: ASGIReceiveEvent) -> None:
            with suppress(trio.BrokenResourceError):
                await coming.send(event)

        threads = (trio.to_thread.run_sync, trio.from_thread.run)
        self.spawn(_handle, until_it_ends, config, scope, taken.receive, send, *threads)
        return tell


tcp_server.TaskGroup = AppsThatEnd  # type: ignore[attr-defined]


class RefusedDeflate(PerMessageDeflate):
    """permessage-deflate that is never agreed on.

    wsproto inflates a message whole before its size is looked at, so that 400 KiB on the wire would
    become 400 MiB in memory; and Hypercorn has no switch to leave the extension out.
    """

    def accept(self, offer: str) -> None:
        """Agree to nothing."""


ws_stream.PerMessageDeflate = RefusedDeflate  # type: ignore[attr-defined]


def _config(settings: Settings) -> Config:
    """Return what Hypercorn is told; everything it can bound is bounded."""
    config = Config()
    config.bind = []
    config.certfile = str(settings.tls_cert) if settings.tls_cert else None
    config.keyfile = str(settings.tls_key) if settings.tls_key else None
    config.graceful_timeout = SHUTDOWN_SECONDS
    config.websocket_max_message_size = FRAME_BYTES_MAX
    # Its pings run on after their socket has gone; sessions have a heartbeat of their own.
    config.websocket_ping_interval = None
    config.include_server_header = False
    config.errorlog = logging.getLogger("hypercorn.error")
    config.loglevel = "WARNING"
    return config
