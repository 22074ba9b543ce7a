"""The environment's clock: wall time that never runs backwards on the record."""

from collections.abc import Callable


class EnvironmentClock:
    """Record time in Unix milliseconds. Order never comes from it; it never contradicts order."""

    def __init__(self, wall_ms: Callable[[], int]) -> None:
        """Read the machine's clock by ``wall_ms``."""
        self._wall_ms = wall_ms
        self._last_ms = 0

    def advance_to(self, time_ms: int) -> None:
        """Never again return a time before ``time_ms``, for example the newest record's."""
        self._last_ms = max(self._last_ms, time_ms)

    def now_ms(self) -> int:
        """Return the time, at least as late as any time returned before."""
        self._last_ms = max(self._last_ms, self._wall_ms())
        return self._last_ms
