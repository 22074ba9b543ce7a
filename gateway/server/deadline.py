"""The one deadline of a connection, moved many times a second (shell)."""

from collections.abc import Callable

import trio

from gateway.wheel import Timer, Wheel

NEVER = float("inf")


class Deadline:
    """A moment that moves. The timer that is armed looks at it when it rings, and arms itself anew.

    So moving it later, as every request does, sets no timer.
    """

    __slots__ = ("_armed", "_call", "_moment", "_timer", "_wheel")

    def __init__(self, wheel: Wheel) -> None:
        """Set none."""
        self._wheel = wheel
        self._moment = self._armed = NEVER
        self._call: Callable[[], None] | None = None
        self._timer: Timer | None = None

    def within(self, seconds: float, otherwise: Callable[[], None]) -> None:
        """Call ``otherwise`` in ``seconds``, unless it is moved or cleared before."""
        self._moment = trio.current_time() + seconds
        self._call = otherwise
        if self._moment < self._armed:
            self._arm()

    def clear(self) -> None:
        """Wait for nothing."""
        self._moment = NEVER

    def end(self) -> None:
        """Keep no timer either."""
        self._moment, self._call = NEVER, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._armed = None, NEVER

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = self._moment
        self._timer = self._wheel.at(self._moment, self._ring)

    def _ring(self) -> None:
        self._timer, self._armed = None, NEVER
        if self._moment == NEVER:
            return
        if self._moment > trio.current_time():
            self._arm()
            return
        call, self._moment = self._call, NEVER
        if call is not None:
            call()
