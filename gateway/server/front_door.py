"""Our own server on the default port: HTTP/1.1 and the realtime WebSocket by hand (shell).

Plain connections are objects that one task calls; connections with TLS have tasks, and those that
agree on HTTP/2 are Hypercorn's. Nothing a client does holds the server up: every wait has a
deadline, and stopping waits for nobody longer than it says.
"""

import logging
import signal
import socket
from collections.abc import Callable

import trio

from gateway.app import App
from gateway.compose import Node
from gateway.limits import ACCEPTS_AT_ONCE, SHUTDOWN_SECONDS, TLS_HANDSHAKE_SECONDS
from gateway.server import refusals
from gateway.server.addresses import Proxies, plain
from gateway.server.admission import Admission, Refusal
from gateway.server.asgi_lifespan import lifespan
from gateway.server.connection import Connection
from gateway.server.hypercorn_server import HypercornServer
from gateway.server.open_files import make_room
from gateway.server.plain_channel import PlainChannel
from gateway.server.poller import READ, Poller
from gateway.server.preamble import Preambled, read_preamble
from gateway.server.proxy_protocol import BadPreambleError
from gateway.server.reception import Reception
from gateway.server.tls import CertificateError, Certificates
from gateway.server.tls_channel import SecureStream, TlsChannel

LOG = logging.getLogger("parley.server")

BACKLOG = 1024
"""Connections that the kernel keeps while we are busy."""

LONE_ACCEPT_PAUSE_SECONDS = 0.1
"""How long nobody is accepted when the process has no open file left."""

ALPN = ("h2", "http/1.1")


class FrontDoor:
    """Accepts connections, within bounds, and lets them be served."""

    def __init__(self, node: Node, app: App) -> None:
        """Serve ``node``, and ``app`` for what is not in its route table."""
        settings = node.settings
        self._settings = settings
        self._switchboard = node.switchboard
        self._tally = node.metrics.connections
        self._proxies = Proxies(settings.trusted_proxies)
        self._admission = Admission(
            total=settings.max_connections,
            per_address=settings.max_connections_per_address,
            shared=self._proxies.trusts,
        )
        self._reception = Reception(
            node.dispatcher, node.switchboard, app, proxies=self._proxies, left=self._left
        )
        self._app = app
        self._poller = Poller(self._switchboard.outflow.flush)
        self._open: dict[Connection, str] = {}
        self._certificates = (
            Certificates(settings.tls_cert, settings.tls_key, alpn=ALPN)
            if settings.tls_cert and settings.tls_key
            else None
        )
        self._http2 = HypercornServer(app, settings) if self._certificates else None
        self._nursery: trio.Nursery | None = None

    async def serve(
        self, stopping: trio.Event, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until ``stopping`` is set, then for at most ``SHUTDOWN_SECONDS`` more.

        ``task_status`` is told the port when connections are accepted.

        Raises:
            OSError: the address cannot be listened on.
        """
        if warning := make_room(self._settings.max_connections):
            LOG.warning(warning)
        listeners = await trio.open_tcp_listeners(
            self._settings.port, host=self._settings.host, backlog=BACKLOG
        )
        self._tally.begin()
        try:
            async with lifespan(self._app), trio.open_nursery() as nursery:
                self._nursery = self._reception.nursery = nursery
                nursery.start_soon(self._poller.run)
                if self._certificates is not None:
                    nursery.start_soon(self._reload_at_hangup, self._certificates)
                port = listeners[0].socket.getsockname()[1]
                accepting = [self._listen(listener) for listener in listeners]
                try:
                    task_status.started(port)
                    await stopping.wait()
                finally:
                    for end in accepting:
                        end()
                await self._stop()
                nursery.cancel_scope.cancel()
        finally:
            for connection in list(self._open):
                connection.channel.abort()

    async def _stop(self) -> None:
        """Let what is under way be finished, for at most ``SHUTDOWN_SECONDS``."""
        for connection in list(self._open):
            connection.stop()
        if self._http2 is not None:
            await self._http2.stop()
        with trio.move_on_after(SHUTDOWN_SECONDS):  # noqa: ASYNC912 - if any is open
            while self._tally.count:
                await self._tally.changed()

    def _listen(self, listener: trio.SocketListener) -> Callable[[], None]:
        """Accept from now on; return what ends it."""
        sock = socket.socket(fileno=listener.socket.detach())
        sock.setblocking(False)  # noqa: FBT003 - its signature

        def accept(mask: int) -> None:
            del mask
            self._accept(sock)

        self._poller.add(sock.fileno(), READ, accept)

        def end() -> None:
            self._poller.remove(sock.fileno())
            sock.close()

        return end

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in refusals.OF_THIS_CONNECTION:
                    continue
                self._pause(listener, error)
                return
            sock.setblocking(False)  # noqa: FBT003 - its signature
            self._welcome(sock, plain(address[0]) or address[0])

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        """Wait a little when nobody can be accepted: the socket would be ready again at once."""
        LOG.warning("connections cannot be accepted", extra={"why": str(error)})
        self._poller.change(listener.fileno(), 0)

        def again() -> None:
            if listener.fileno() >= 0:
                self._poller.change(listener.fileno(), READ)

        self._switchboard.wheel.after(LONE_ACCEPT_PAUSE_SECONDS, again)

    def _welcome(self, sock: socket.socket, peer: str) -> None:
        refusal = self._admission.admit(peer)
        if refusal is not None:
            self._turn_away(sock, refusal)
            return
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._certificates is not None and self._nursery is not None:
                self._tally.opened()
                self._nursery.start_soon(self._talk_tls, sock, peer)
                return
        except OSError:
            self._admission.leave(peer)
            sock.close()
            return
        self._tally.opened()
        channel = PlainChannel(sock, self._poller)
        connection = self._reception.welcome(channel, peer, secure=False)
        self._open[connection] = peer
        if self._settings.proxy_protocol:
            channel.talker = Preambled(
                connection, self._recount, trusted=self._proxies.trusts(peer)
            )
        else:
            channel.talker = connection
        channel.begin()

    def _turn_away(self, sock: socket.socket, refusal: Refusal) -> None:
        """Say why, if that can be said without waiting, and close."""
        if self._certificates is None:
            try:
                sock.send(refusals.answer(refusal))
                sock.shutdown(socket.SHUT_WR)
            except OSError as error:
                LOG.debug("a connection was turned away without a word", exc_info=error)
        self._tally.refused(refusal)
        sock.close()

    def _recount(self, connection: Connection, client: str) -> bool:
        """Count a proxy's connection as its client's; ``False`` if that one has too many."""
        if self._admission.recount(self._open[connection], client) is not None:
            return False
        self._open[connection] = connection.peer = client
        return True

    def _left(self, connection: Connection) -> None:
        peer = self._open.pop(connection, None)
        if peer is not None:
            self._admission.leave(peer)
            self._tally.closed()

    async def _talk_tls(self, sock: socket.socket, peer: str) -> None:
        try:
            await self._serve_tls(trio.SocketStream(trio.socket.from_stdlib_socket(sock)), peer)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            LOG.debug("a handshake failed", exc_info=error)
        except Exception as error:
            LOG.exception("a connection failed and was closed", exc_info=error)

    async def _serve_tls(self, plain_stream: trio.SocketStream, peer: str) -> None:
        counted_as: str | None = peer
        try:
            with trio.fail_after(TLS_HANDSHAKE_SECONDS):
                client, transport = await self._behind_preamble(plain_stream, peer)
                if client is not None:
                    if self._admission.recount(peer, client) is not None:
                        return
                    counted_as = peer = client
                stream = await self._agreed(transport)
            if stream.selected_alpn_protocol() == "h2" and self._http2 is not None:
                await self._http2.talk(stream)
                return
            channel = TlsChannel(stream)
            connection = self._reception.welcome(channel, peer, secure=True)
            self._open[connection], counted_as = peer, None
            await channel.run(connection)
        except (trio.TooSlowError, BadPreambleError) as error:
            LOG.debug("a handshake did not come about", exc_info=error)
        finally:
            if counted_as is not None:
                self._admission.leave(counted_as)
                self._tally.closed()
            await trio.aclose_forcefully(plain_stream)

    async def _behind_preamble(
        self, stream: trio.SocketStream, peer: str
    ) -> tuple[str | None, trio.abc.Stream]:
        """Return for whom a proxy connects, and the stream that TLS begins on."""
        if self._settings.proxy_protocol and self._proxies.trusts(peer):
            return await read_preamble(stream)
        return None, stream

    async def _agreed(self, transport: trio.abc.Stream) -> SecureStream:
        """Return the stream with TLS on ``transport``."""
        assert self._certificates is not None  # noqa: S101 - only such connections come here
        stream = trio.SSLStream(
            transport, self._certificates.context, server_side=True, https_compatible=True
        )
        await stream.do_handshake()
        return stream

    async def _reload_at_hangup(self, certificates: Certificates) -> None:
        """Load the certificate anew at each SIGHUP; one that cannot be loaded changes nothing."""
        with trio.open_signal_receiver(signal.SIGHUP) as signals:
            async for _ in signals:
                try:
                    certificates.reload()
                except CertificateError as error:
                    LOG.warning("the certificate was not changed", extra={"why": str(error)})
                else:
                    LOG.info("the certificate was loaded anew")
