"""The bytes on their way over one connection: bounded, joined, and never waited for (shell).

What comes for an idle peer is sent at once. What does not fit waits, and is joined into one write
when there is room. Nothing is scheduled while nothing waits.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from gateway.fanout.outflow import Outflow
from gateway.fanout.outlet import ClosedOutletError
from gateway.limits import (
    LAGGING_SECONDS,
    OUTBOUND_ANSWER_BYTES_MAX,
    OUTBOUND_BYTES_MAX,
    OUTBOUND_WRITE_SECONDS,
)
from gateway.server.channel import Channel
from gateway.wheel import Timer, Wheel


class Owner(Protocol):
    """Whose bytes they are. Each may be called from inside of any method of the wire."""

    def sent_all(self) -> None:
        """After ``finish``: everything was sent."""

    def is_lagging(self) -> None:
        """The peer has taken nothing for ``LAGGING_SECONDS``, and has been sent something."""

    def is_stuck(self) -> None:
        """The peer has taken nothing for ``OUTBOUND_WRITE_SECONDS``, or answers pile up."""


class Wire:
    """What is sent to one peer."""

    __slots__ = (
        "_blocked",
        "_bytes",
        "_channel",
        "_closed",
        "_finishing",
        "_marked",
        "_outflow",
        "_owner",
        "_roomy",
        "_timer",
        "_waiting",
        "_wheel",
        "silent",
    )

    def __init__(self, channel: Channel, owner: Owner, outflow: Outflow, wheel: Wheel) -> None:
        """Send over ``channel``; ``outflow`` calls :meth:`flush` at the end of a pass."""
        self._channel = channel
        self._owner = owner
        self._outflow = outflow
        self._wheel = wheel
        self._waiting: list[bytes | memoryview] = []
        self._bytes = 0
        self._blocked = False
        self._marked = False
        self._finishing = False
        self._closed = False
        self._roomy: trio.Event | None = None
        self._timer: Timer | None = None
        self.silent = False
        """Set to ``True`` by whoever wants to know; ``False`` as soon as anything was sent."""

    @property
    def blocked(self) -> bool:
        """Say whether the peer takes nothing right now."""
        return self._blocked

    @property
    def waiting(self) -> int:
        """Return how many bytes wait."""
        return self._bytes

    def take(self, joined: bytes, frames: Sequence[bytes] = ()) -> bool:  # noqa: ARG002 - the seam's
        """Take live frames if there is room for all; what ends soon takes nothing, silently."""
        if self._finishing:
            return True
        if self._waiting:
            if self._bytes + len(joined) > OUTBOUND_BYTES_MAX:
                return False
            self._waiting.append(joined)
            self._bytes += len(joined)
            return True
        self.silent = False
        self._send(joined)
        return True

    def answer(self, data: bytes) -> None:
        """Take what cannot be read again from the log; it leaves at the end of the pass."""
        if self._finishing:
            return
        bound = OUTBOUND_BYTES_MAX + OUTBOUND_ANSWER_BYTES_MAX
        if self._bytes and self._bytes + len(data) > bound:
            self._owner.is_stuck()
            return
        self._waiting.append(data)
        self._bytes += len(data)
        if not self._marked and not self._blocked:
            self._marked = True
            self._outflow.mark_line(self)

    def flush(self) -> None:
        """Send what waits; a peer that has gone is ended by that."""
        self._marked = False
        if self._blocked or self._closed:
            return
        waiting = self._waiting
        if waiting:
            joined = waiting[0] if len(waiting) == 1 else b"".join(waiting)
            self._waiting = []
            self._bytes = 0
            self.silent = False
            self._send(joined)
        if self._roomy is not None and self._bytes <= OUTBOUND_BYTES_MAX // 2:
            self._make_room()
        if self._finishing and not self._waiting and not self._closed:
            self._owner.sent_all()

    def writable(self) -> None:
        """There is room again."""
        self._blocked = False
        self.flush()
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def finish(self) -> None:
        """Take nothing more; tell the owner when everything was sent."""
        if self._finishing:
            return
        self._finishing = True
        self._make_room()
        if not self._marked and not self._blocked:
            self._marked = True
            self._outflow.mark_line(self)

    def shut(self) -> None:
        """The connection has ended: let everything go."""
        self._closed = self._finishing = True
        self._waiting = []
        self._bytes = 0
        self._make_room()
        if self._timer is not None:
            self._timer.cancel()

    async def has_room(self) -> None:
        """Wait until the peer has taken most of what waits.

        Raises:
            ClosedOutletError: it will take nothing more.
        """
        while self._bytes > OUTBOUND_BYTES_MAX // 2 and not self._finishing:
            if self._roomy is None:
                self._roomy = trio.Event()
            await self._roomy.wait()
        if self._finishing:
            raise ClosedOutletError

    def _send(self, data: bytes | memoryview) -> None:
        try:
            sent = self._channel.send(data)
        except OSError:
            self._channel.abort()
            return
        if sent < len(data):
            rest = memoryview(data)[sent:]
            self._waiting.insert(0, rest)
            self._bytes += len(rest)
            self._block(moved=sent > 0)

    def _block(self, *, moved: bool) -> None:
        """The peer takes nothing more: give it until the deadline, anew if it has taken some."""
        self._blocked = True
        if self._timer is None or moved:
            self._watch(LAGGING_SECONDS, self._lags)

    def _lags(self) -> None:
        self._watch(OUTBOUND_WRITE_SECONDS - LAGGING_SECONDS, self._is_stuck)
        self._owner.is_lagging()

    def _is_stuck(self) -> None:
        self._owner.is_stuck()

    def _watch(self, seconds: float, call: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._wheel.after(seconds, call)

    def _make_room(self) -> None:
        roomy, self._roomy = self._roomy, None
        if roomy is not None:
            roomy.set()
