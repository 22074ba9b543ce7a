"""One timer wheel for all deadlines and heartbeats of the doors (shell).

A task or a cancel scope for each would cost more memory than the connection it guards. A timer lies
in the bucket of its tick; setting and cancelling one cost the same however many there are
(G. Varghese and T. Lauck, "Hashed and hierarchical timing wheels", 1987).
"""

import heapq
import logging
from collections.abc import Callable

import trio

LOG = logging.getLogger("parley.timers")

TICK_SECONDS = 0.125
"""Timers ring up to this much late, never early."""


class Timer:
    """One call that is due later."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        """Be due for ``call``."""
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Never ring; harmless when it has rung."""
        self.call = None


class Wheel:
    """The timers of one node."""

    def __init__(self) -> None:
        """Start without timers."""
        self._buckets: dict[int, list[Timer]] = {}
        self._ticks: list[int] = []
        self._until = float("inf")
        self._woken = trio.Event()

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call ``call`` once, in ``seconds``. A failure of it is logged and harms no other."""
        return self.at(trio.current_time() + seconds, call)

    def at(self, moment: float, call: Callable[[], None]) -> Timer:
        """Call ``call`` once, at a moment of trio's clock."""
        timer = Timer(call)
        tick = int(moment / TICK_SECONDS) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = []
            heapq.heappush(self._ticks, tick)
            if moment < self._until:
                self._woken.set()
        bucket.append(timer)
        return timer

    async def run(self) -> None:
        """Ring what is due, until cancelled."""
        while True:
            self._until = self._ticks[0] * TICK_SECONDS if self._ticks else float("inf")
            with trio.move_on_at(self._until):
                await self._woken.wait()
            self._woken = trio.Event()
            self._ring(trio.current_time())

    def _ring(self, now: float) -> None:
        while self._ticks and self._ticks[0] * TICK_SECONDS <= now:
            for timer in self._buckets.pop(heapq.heappop(self._ticks)):
                _call(timer)


def _call(timer: Timer) -> None:
    call, timer.call = timer.call, None
    if call is None:
        return
    try:
        call()
    except Exception as error:
        LOG.exception("a timer failed", exc_info=error)
