"""A plain TCP connection, driven by the poller (shell)."""

import logging
import socket
from contextlib import suppress

from gateway.server.channel import Talker
from gateway.server.poller import READ, WRITE, Poller

LOG = logging.getLogger("parley.server")

READ_BYTES = 64 * 1024
"""What one read takes at most."""


class PlainChannel:
    """Sends and hears over one socket that never blocks.

    The poller calls the channel itself: a bound method kept for each would take 64 bytes.
    """

    __slots__ = ("_fd", "_mask", "_poller", "_socket", "talker")

    def __init__(self, sock: socket.socket, poller: Poller) -> None:
        """Own ``sock``; set ``talker`` and call :meth:`begin`."""
        self._socket = sock
        self._fd = sock.fileno()
        self._poller = poller
        self._mask = READ
        self.talker: Talker | None = None

    def begin(self) -> None:
        """Hear the peer from now on."""
        self._poller.add(self._fd, self._mask, self)

    def send(self, data: bytes | memoryview) -> int:
        """Send what the peer takes now."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._watch(self._mask | WRITE)
        return sent

    def pause(self) -> None:
        """Read no more."""
        self._watch(self._mask & ~READ)

    def resume(self) -> None:
        """Read on."""
        self._watch(self._mask | READ)

    def shut_down(self) -> None:
        """Say that nothing more will be sent."""
        with suppress(OSError):  # the peer was quicker
            self._socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """End at once."""
        talker, self.talker = self.talker, None
        if talker is None:
            return
        self._poller.remove(self._fd)
        self._socket.close()
        talker.broken()

    def _watch(self, mask: int) -> None:
        if mask != self._mask and self.talker is not None:
            self._mask = mask
            self._poller.change(self._fd, mask)

    def __call__(self, mask: int) -> None:
        """Do what is due, as ``mask`` says; a failure ends this connection alone."""
        talker = self.talker
        if talker is None:
            return
        try:
            if mask & WRITE:
                self._watch(self._mask & ~WRITE)
                talker.writable()
            if mask & ~WRITE and self._mask & READ and self.talker is not None:
                self._read(talker)
            elif mask & ~(READ | WRITE):
                self.abort()  # it has gone, which is told again and again, whoever asks
        except OSError:
            self.abort()
        except Exception as error:
            LOG.exception("a connection failed and was closed", exc_info=error)
            self.abort()

    def _read(self, talker: Talker) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        if data:
            talker.received(data)
        else:
            self._watch(self._mask & ~READ)
            talker.ended()
