"""A TCP connection: what it cannot send at once leaves when the peer takes it."""

import select
import socket
from collections.abc import Callable

from bench.load.poller import Poller

CONNECT_SECONDS = 20.0
RECEIVE_BYTES = 256 * 1024

OnBytes = Callable[[bytes], None]
OnEnd = Callable[[], None]


class Line:
    """A connected socket that a poller serves."""

    def __init__(
        self, poller: Poller, address: tuple[str, int], on_bytes: OnBytes, on_end: OnEnd
    ) -> None:
        """Connect, waiting for it. Bytes are given to ``on_bytes`` after :meth:`listen`."""
        self._poller = poller
        self._on_bytes = on_bytes
        self._on_end = on_end
        self._out = bytearray()
        self._listening = False
        self.socket = socket.create_connection(address, CONNECT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def listen(self) -> None:
        """Wait for nothing from now on: the poller says when there is something to do."""
        self.socket.setblocking(False)  # noqa: FBT003 - the standard library's
        self._listening = True
        self._poller.add(self.socket.fileno(), self._ready)

    def send(self, data: bytes) -> None:
        """Send ``data`` behind what waits already."""
        if not self._out:
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._end()
                return
            if sent == len(data):
                return
            data = data[sent:]
            self._poller.also_writing(self.socket.fileno(), wanted=True)
        self._out += data

    def close(self) -> None:
        """Let the connection go; nobody is told."""
        if self._listening:
            self._listening = False
            self._poller.drop(self.socket.fileno())
        self.socket.close()

    def _ready(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._flush()
        if events & ~select.EPOLLOUT and self._listening:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._on_bytes(data)
        else:
            self._end()

    def _flush(self) -> None:
        try:
            sent = self.socket.send(self._out)
        except BlockingIOError:
            return
        except OSError:
            self._end()
            return
        del self._out[:sent]
        if not self._out:
            self._poller.also_writing(self.socket.fileno(), wanted=False)

    def _end(self) -> None:
        if self._listening:
            self.close()
            self._on_end()
