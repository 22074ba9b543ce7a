"""Ends a turn that does not end by itself: a loop in the rules would hold everybody up (shell).

A thread looks now and then whether the loop's thread is still in the same turn. If that turn has
used more than its share of the processor, the thread shoots: it lets CPython raise an exception of
ours in the loop's thread, at whatever line that is. The exception must never land outside of a
turn, where it would hit the server itself. So:

- A turn has one token, and who takes it out of ``_armed`` decides; taking it is one atomic step.
  If the turn's end has it, the thread does not shoot. If the thread has it, it shoots once.
- Then the end of the turn waits until the thread has done so, and takes the exception back if it
  has not been raised yet. Until then everything stands inside of the ``try`` that catches it.

It is processor time that is counted, so a machine that was asleep, or busy with others, ends no
turn. A call that is stuck outside of Python is ended only when it comes back.
"""

import ctypes
import logging
import threading
import time
from collections.abc import Callable
from functools import partial

import trio

from engine.limits import TURN_LOOKS_SECONDS, TURN_SECONDS_MAX

LOG = logging.getLogger("parley.actor")

_shoot = ctypes.pythonapi.PyThreadState_SetAsyncExc
_shoot.argtypes = (ctypes.c_ulong, ctypes.py_object)
_NOTHING = ctypes.py_object()
"""A null pointer: takes back what has not been raised yet."""


class TurnTooLongError(Exception):
    """A turn was ended from outside."""


class _Shot(BaseException):
    """What is raised in the loop's thread. No ``except Exception`` takes it for a failure."""


class Watchdog:
    """Watches the turns of one thread. Without ``run`` nobody looks, and nothing is ended."""

    def __init__(
        self, *, seconds: float = TURN_SECONDS_MAX, looks: float = TURN_LOOKS_SECONDS
    ) -> None:
        """Let a turn use ``seconds`` of the processor; look every ``looks`` seconds."""
        self._seconds = seconds
        self._looks = looks
        self._turn = 0
        self._armed: dict[int, bool] = {}
        """The number of the turn that is under way, if its token is still there."""
        self._shot_at = 0
        self._stopped = threading.Event()

    def guarded(self, work: Callable[[], None]) -> None:
        """Call ``work``, which takes a turn of the loop's thread, and see that it ends.

        Raises:
            TurnTooLongError: it was ended; what it was doing is half done.
        """
        self._turn = turn = self._turn + 1
        try:
            try:
                self._armed[turn] = True
                work()
            finally:
                if self._armed.pop(turn, None) is None:
                    self._take_back(turn)
        except _Shot:
            # The one shot has landed; perhaps before the line above could take the token away.
            if self._armed.pop(turn, None) is None:
                self._take_back(turn)
            message = f"a turn was ended after {self._seconds * 1000:.0f} ms"
            raise TurnTooLongError(message) from None

    def _take_back(self, turn: int) -> None:
        """Wait until the thread has shot, and take the shot back if it has not landed."""
        while self._shot_at != turn:
            time.sleep(0)
        _shoot(threading.get_ident(), _NOTHING)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch the thread this runs in until cancelled."""
        loop = threading.get_ident()
        self._stopped.clear()
        watch = threading.Thread(target=self._watch, args=(loop,), name="watchdog", daemon=True)
        watch.start()
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            self._stopped.set()
            watch.join()

    def _watch(self, loop: int) -> None:
        used_by = _processor_time(loop)
        watched, began = 0, 0.0
        while not self._stopped.wait(self._looks):
            turn, used = self._turn, used_by()
            if turn != watched:
                watched, began = turn, used
            elif used - began >= self._seconds:
                self._end(turn, loop)

    def _end(self, turn: int, loop: int) -> None:
        if self._armed.pop(turn, None) is None:
            return  # it has ended by itself, or was shot at before
        try:
            _shoot(loop, ctypes.py_object(_Shot))
        finally:
            self._shot_at = turn


def _processor_time(thread: int) -> Callable[[], float]:
    """Return what says how many seconds of the processor a thread has used.

    A system that does not tell (macOS) says how many have passed instead.
    """
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic
    return partial(time.clock_gettime, time.pthread_getcpuclockid(thread))
