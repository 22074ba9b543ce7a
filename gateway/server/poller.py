"""All plain connections of a node in one task: a nested epoll, and a callback each (shell).

A task for a connection costs 5 KiB and a switch for everything it hears. Here a connection is an
object that is called; trio waits for the one epoll that waits for all of them.
"""

import logging
import select
import time
from collections.abc import Callable

import trio

LOG = logging.getLogger("parley.server")

EVENTS_MAX = 512
"""Connections that one look finds ready; the others are found by the next."""

PASS_SECONDS_MAX = 0.005
"""How long one pass may call back before the loop does something else, but for one callback. The
connections that are left are still ready in the next pass, and come first then."""

READ, WRITE = select.EPOLLIN, select.EPOLLOUT

OnReady = Callable[[int], None]
"""Called with the mask of what has happened. It guards itself; what it raises is only logged."""


class Poller:
    """Calls back whoever has something to read or to write."""

    def __init__(self, end_of_pass: Callable[[], object]) -> None:
        """Call ``end_of_pass`` behind the callbacks of each pass."""
        self._epoll = select.epoll()
        self._end_of_pass = end_of_pass
        self._callbacks: dict[int, OnReady] = {}
        self._left: list[tuple[int, int]] = []
        """Who was found ready and not called: the next pass begins with them, since the kernel
        would put those who are always ready before them, again and again."""

    def add(self, fd: int, mask: int, on_ready: OnReady) -> None:
        """Watch ``fd``."""
        self._callbacks[fd] = on_ready
        self._epoll.register(fd, mask)

    def change(self, fd: int, mask: int) -> None:
        """Watch ``fd`` for something else; harmless when it is watched no longer."""
        if fd in self._callbacks:
            self._epoll.modify(fd, mask)

    def remove(self, fd: int) -> None:
        """Watch ``fd`` no longer. It is about to be closed."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    async def run(self) -> None:
        """Call back until cancelled."""
        try:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                self._pass()
        finally:
            self._callbacks.clear()  # whoever closes from now on has nothing to take back
            self._epoll.close()

    def _pass(self) -> None:
        callbacks = self._callbacks
        until = time.perf_counter() + PASS_SECONDS_MAX
        ready, self._left = self._left or self._epoll.poll(0, EVENTS_MAX), []
        for number, (fd, mask) in enumerate(ready, start=1):
            on_ready = callbacks.get(fd)
            if on_ready is None:
                continue  # closed by a callback of this pass
            try:
                on_ready(mask)
            except Exception as error:
                LOG.exception("a callback failed", exc_info=error)
            if time.perf_counter() > until:
                self._left = ready[number:]
                break
        self._end_of_pass()
