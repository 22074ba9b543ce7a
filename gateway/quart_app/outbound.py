"""What waits for one client of a server that sends by tasks: bounded, and in order (shell).

Live frames are offered and may be refused; the client is then fed from the log at its own pace, so
that memory per slow client is constant.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import trio

from gateway.fanout.outlet import ClosedOutletError
from gateway.limits import (
    OUTBOUND_ANSWER_BYTES_MAX,
    OUTBOUND_BYTES_MAX,
    OUTBOUND_WRITE_SECONDS,
)


class ClientTooSlowError(Exception):
    """The client does not read what it asked for."""


class Outbound:
    """The frames waiting for one client, and the task that sends them."""

    def __init__(self) -> None:
        """Start with nothing to send."""
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._wake = trio.Event()
        self._roomy: trio.Event | None = None
        self._overrun = False
        self._finished = False
        self._closed = False
        self.silent = False

    def take(self, joined: bytes, frames: Sequence[bytes]) -> bool:
        """Take live frames if there is room for all; what ends soon takes nothing, silently."""
        if self._finished:
            return True
        if self._bytes and self._bytes + len(joined) > OUTBOUND_BYTES_MAX:
            return False
        for frame in frames or (joined,):
            self._put(frame)
        return True

    def offer(self, frame: bytes) -> bool:
        """Take a frame that is worth nothing later, if there is room; say whether it was taken."""
        return self.take(frame, (frame,))

    def answer(self, frame: bytes) -> None:
        """Take a frame that cannot be read again from the log: an answer or a farewell."""
        if self._finished:
            return
        bound = OUTBOUND_BYTES_MAX + OUTBOUND_ANSWER_BYTES_MAX
        if self._bytes and self._bytes + len(frame) > bound:
            self._overrun = True
            self._wake.set()
            return
        self._put(frame)

    def finish(self) -> None:
        """Let ``pour`` return when what waits now has been sent."""
        self._finished = True
        self._wake.set()
        self._make_room()

    def fail(self) -> None:
        """End: the log cannot be read for this client."""
        self.finish()

    def shut(self) -> None:
        """The client is gone: whoever waits for room is told."""
        self._closed = True
        self.finish()

    async def has_room(self) -> None:
        """Wait until most of what waits was sent.

        Raises:
            ClosedOutletError: nothing more will be.
        """
        while self._bytes > OUTBOUND_BYTES_MAX // 2 and not self._finished:
            self._roomy = trio.Event()
            await self._roomy.wait()
        if self._finished:
            raise ClosedOutletError

    async def take_all(self) -> list[bytes] | None:
        """Return what waits, at least one frame; ``None`` when finished.

        Raises:
            ClientTooSlowError: answers pile up that the client does not read.
        """
        while True:
            if self._overrun:
                raise ClientTooSlowError
            if self._closed:
                return None
            if self._waiting:
                return self._drain()
            if self._finished:
                return None
            self._wake = trio.Event()
            await self._wake.wait()

    async def pour(self, send: Callable[[list[bytes]], Awaitable[None]]) -> None:
        """Send what waits, in order, until ``finish``.

        Raises:
            ClientTooSlowError: no bytes taken for ``OUTBOUND_WRITE_SECONDS``, or answers pile up.
        """
        while (batch := await self.take_all()) is not None:
            with trio.move_on_after(OUTBOUND_WRITE_SECONDS) as deadline:
                # A send to a client that left may return at once: without this the loop would spin.
                await trio.lowlevel.checkpoint()
                await send(batch)
            if deadline.cancelled_caught:
                raise ClientTooSlowError

    def _drain(self) -> list[bytes]:
        batch = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        self._make_room()
        return batch

    def _make_room(self) -> None:
        roomy, self._roomy = self._roomy, None
        if roomy is not None:
            roomy.set()

    def _put(self, frame: bytes) -> None:
        self._waiting.append(frame)
        self._bytes += len(frame)
        self.silent = False
        self._wake.set()
