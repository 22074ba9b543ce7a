"""How late the loop is: what every task that is ready waits for."""

import trio

from gateway.metrics.buckets import LAG_SECONDS
from gateway.metrics.distribution import Distribution

PERIOD_SECONDS = 0.05
"""Between two looks: whatever holds the loop longer is always seen, at 20 timers a second."""


class LoopLag:
    """Measures by how much a timer oversleeps, once it watches.

    A look takes about 30 µs, so 20 of them a second are nothing to the loop. Watching every pass of
    it instead (``trio.abc.Instrument``) would cost 2.5 µs a pass, of which a request has several.
    """

    def __init__(self) -> None:
        """Measure nothing yet."""
        self.late = Distribution(LAG_SECONDS)
        self._watching = False

    def watch(self) -> None:
        """Measure from now on, until the loop ends; harmless when it does already."""
        if not self._watching:
            self._watching = True
            trio.lowlevel.spawn_system_task(self._measure, name="lag of the loop")

    async def _measure(self) -> None:
        try:
            while True:
                due = trio.current_time() + PERIOD_SECONDS
                await trio.sleep_until(due)
                self.late.record(trio.current_time() - due)
        finally:
            self._watching = False
