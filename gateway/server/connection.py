"""One connection: what it is, and who has it. Everything that happens on it is told to its tenant.

HTTP has it first, and hands it over when a request asks for a WebSocket or a stream.
"""

from collections.abc import Callable
from typing import Protocol

from gateway.fanout.outflow import Outflow
from gateway.limits import HEAR_OUT_SECONDS
from gateway.server.channel import Channel, Talker
from gateway.server.wire import Owner, Wire
from gateway.wheel import Timer, Wheel


class Tenant(Talker, Owner, Protocol):
    """Who has a connection: HTTP, the application for one answer, a WebSocket, a stream."""

    def stop(self) -> None:
        """The server is stopping."""


class Connection:
    """The server's side of one connection."""

    __slots__ = (
        "_ending",
        "_left",
        "_tenant",
        "channel",
        "over",
        "peer",
        "secure",
        "wheel",
        "wire",
    )

    def __init__(
        self,
        channel: Channel,
        peer: str,
        *,
        secure: bool,
        outflow: Outflow,
        wheel: Wheel,
        left: Callable[["Connection"], None],
    ) -> None:
        """Speak over ``channel``. It has no tenant yet: :meth:`become` comes before all else.

        Args:
            channel: of the peer.
            peer: the address of whom it stands for.
            secure: whether its bytes are encrypted on their way.
            outflow: sends what waits, at the end of a pass.
            wheel: of its deadlines.
            left: told once, when it has ended.
        """
        self.channel = channel
        self.peer = peer
        self.secure = secure
        self.wheel = wheel
        self.wire = Wire(channel, self, outflow, wheel)
        self.over = False
        """Whether it has ended."""
        self._left = left
        self._tenant: Tenant
        self._ending: Timer | None = None

    def become(self, tenant: Tenant) -> None:
        """Let ``tenant`` have the connection from now on."""
        self._tenant = tenant

    def end(self) -> None:
        """Say that this was all, and let the peer send the rest, which the tenant drops.

        A client reads the answer when it has sent everything; bytes that arrive at a closed socket
        are answered with a reset, which throws away what the client has not read yet.
        """
        if not self.over:
            self.channel.shut_down()
            self.channel.resume()
            self.close_within(HEAR_OUT_SECONDS)

    def close_within(self, seconds: float) -> None:
        """End in ``seconds`` at the latest; what was said first holds."""
        if self._ending is None and not self.over:
            self._ending = self.wheel.after(seconds, self.channel.abort)

    def received(self, data: bytes) -> None:
        """Bytes have come."""
        self._tenant.received(data)

    def ended(self) -> None:
        """The peer will say nothing more."""
        self._tenant.ended()

    def writable(self) -> None:
        """There is room again."""
        self.wire.writable()
        self._tenant.writable()

    def broken(self) -> None:
        """The connection has ended."""
        self.over = True
        self.wire.shut()
        if self._ending is not None:
            self._ending.cancel()
        self._tenant.broken()
        self._left(self)

    def sent_all(self) -> None:
        """Everything was sent, and nothing more will be."""
        self._tenant.sent_all()

    def is_lagging(self) -> None:
        """The peer has taken nothing for a while."""
        self._tenant.is_lagging()

    def is_stuck(self) -> None:
        """The peer has taken nothing for too long."""
        self._tenant.is_stuck()

    def stop(self) -> None:
        """The server is stopping."""
        self._tenant.stop()
