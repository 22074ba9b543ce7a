"""Waits for sockets and for moments. One thread, no library between it and the kernel.

A load generator must not be what is measured, so it is as lean as Python allows: trio needs about
30 µs to wake a task for a received frame, this about 3.
"""

import select
import time
from collections.abc import Callable

READY_AT_ONCE_MAX = 64
"""Sockets served before the clock is looked at again, so that no send is late by much."""


class Poller:
    """Calls back who can read or write, until a moment comes."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._calls: dict[int, Callable[[int], None]] = {}

    def add(self, fd: int, call: Callable[[int], None]) -> None:
        """Call ``call`` with the events of ``fd`` from now on: reading only, until told."""
        self._calls[fd] = call
        self._epoll.register(fd, select.EPOLLIN)

    def also_writing(self, fd: int, wanted: bool) -> None:  # noqa: FBT001 - a state, not a mode
        """Say whether ``fd`` waits to write, too."""
        self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))

    def drop(self, fd: int) -> None:
        """Call nobody for ``fd`` any more. Call it before the descriptor is closed."""
        if self._calls.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def close(self) -> None:
        self._epoll.close()

    def run_until(self, moment: float, *, enough: Callable[[], bool] | None = None) -> None:
        """Serve sockets until ``moment`` of ``time.perf_counter``, or until ``enough()``.

        Every socket that is ready when it is called is served even if the moment has passed, so a
        generator that is late does not stop listening.
        """
        self._serve()
        while enough is None or not enough():
            left = moment - time.perf_counter()
            if left <= 0:
                return
            if not self._serve():
                # epoll rounds its timeout up to a millisecond; select counts microseconds.
                select.select([self._epoll.fileno()], [], [], left)

    def _serve(self) -> int:
        ready = self._epoll.poll(0, READY_AT_ONCE_MAX)
        for fd, events in ready:
            call = self._calls.get(fd)
            if call is not None:  # a call before this one may have dropped it
                call(events)
        return len(ready)
