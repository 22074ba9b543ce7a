"""What waits for one client: bounded, joined, and fed from the log when the client lags.

Live frames are offered and may be refused; the follower that offered them then goes on from the
log, page by page, at the speed of the client. So memory per slow client is constant.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import trio

from engine.bus.follower import Follower
from gateway.limits import (
    HEARTBEAT_SECONDS,
    OUTBOUND_ANSWER_BYTES_MAX,
    OUTBOUND_BYTES_MAX,
    OUTBOUND_WRITE_SECONDS,
)


class ClientTooSlowError(Exception):
    """The client does not read what it asked for."""


class Outbound:
    """The frames waiting for one client, and the followers that feed it."""

    def __init__(self, *, heartbeat: bytes | None) -> None:
        """Send ``heartbeat`` after ``HEARTBEAT_SECONDS`` of silence; ``None`` = never."""
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._wake = trio.Event()
        self._heartbeat = heartbeat
        self._overrun = False
        self._finished = False
        self.followers: list[Follower] = []

    def offer(self, frame: bytes) -> bool:
        """Take a live frame if there is room; say whether it was taken."""
        if self._bytes and self._bytes + len(frame) > OUTBOUND_BYTES_MAX:
            return False
        self._put(frame)
        return True

    def answer(self, frame: bytes) -> None:
        """Take a frame that cannot be read again from the log: an answer or a farewell."""
        bound = OUTBOUND_BYTES_MAX + OUTBOUND_ANSWER_BYTES_MAX
        if self._bytes and self._bytes + len(frame) > bound:
            self._overrun = True
            self.wake()
            return
        self._put(frame)

    def finish(self) -> None:
        """Let ``pour`` return when what waits now has been sent."""
        self._finished = True
        self.wake()

    def wake(self) -> None:
        """Make ``pour`` look again: a follower wants to catch up."""
        self._wake.set()

    async def take(self) -> list[bytes] | None:
        """Return what waits, at least one frame; ``None`` when finished. Feeds lagging followers.

        Raises:
            ClientTooSlowError: answers pile up that the client does not read.
        """
        while True:
            if self._overrun:
                raise ClientTooSlowError
            if self._waiting:
                return self._drain()
            if self._finished:
                return None
            if lagging := self._lagging():
                await lagging.catch_up()
            else:
                await self._idle()

    async def pour(self, send: Callable[[list[bytes]], Awaitable[None]]) -> None:
        """Send what waits, in order, until ``finish``.

        Raises:
            ClientTooSlowError: no bytes taken for ``OUTBOUND_WRITE_SECONDS``, or answers pile up.
        """
        while (batch := await self.take()) is not None:
            with trio.move_on_after(OUTBOUND_WRITE_SECONDS) as deadline:
                # A send to a client that left may return at once: without this the loop would spin.
                await trio.lowlevel.checkpoint()
                await send(batch)
            if deadline.cancelled_caught:
                raise ClientTooSlowError

    async def _idle(self) -> None:
        self._wake = trio.Event()
        with trio.move_on_after(HEARTBEAT_SECONDS):
            await self._wake.wait()
            return
        if self._heartbeat is not None:
            self.offer(self._heartbeat)

    def _drain(self) -> list[bytes]:
        batch = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return batch

    def _lagging(self) -> Follower | None:
        return next((follower for follower in self.followers if not follower.live), None)

    def _put(self, frame: bytes) -> None:
        self._waiting.append(frame)
        self._bytes += len(frame)
        self._wake.set()
