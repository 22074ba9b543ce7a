"""What goes out at the end of a pass: rooms first, then each client's own answers (shell).

Everything that one pass of the loop or one commit has made for a client leaves in one write. How
long that may hold the loop is bounded: the rest goes out in the next passes.
"""

import time
from collections import deque
from collections.abc import Iterator
from typing import Protocol

import trio

OUTFLOW_SECONDS_MAX = 0.004
"""How long clients may be written to before the loop does something else, but for one step of a
room (``rooms.STEP_MEMBERS`` writes, about 0.6 ms)."""

HOLD_SECONDS_MAX = 0.001
"""How long a room may wait for what is on its way to the disk: about as long as a commit takes."""

STEP_LINES = 32
"""Clients whose answers are written between two looks at the clock."""


class Flushable(Protocol):
    """Something with bytes for one client."""

    def flush(self) -> None:
        """Write what waits. Must not raise."""


class Flowing(Protocol):
    """Something with bytes for many clients."""

    def waits(self) -> bool:
        """Say whether more is about to come that should leave with what is there."""

    def flush(self) -> Iterator[None] | None:
        """Write what waits, a step at a time; ``None`` if it is written. Must not raise."""


class Outflow:
    """The rooms and the lines of a node that have something to write."""

    def __init__(self) -> None:
        """Start with nothing to write."""
        self._rooms: deque[Flowing] = deque()
        self._lines: deque[Flushable] = deque()
        self._under_way: Iterator[None] | None = None
        self._held: dict[Flowing, float] = {}
        """Rooms that wait, each with the moment until which it may."""
        self._busy = False
        self._awake = False
        self._wake = trio.Event()

    def mark_room(self, room: Flowing) -> None:
        """Write to a room's members at the end of this pass. A room marks itself once."""
        self._rooms.append(room)
        self._rouse()

    def mark_line(self, line: Flushable) -> None:
        """Write one client's answers at the end of this pass. A line marks itself once."""
        self._lines.append(line)
        self._rouse()

    async def run(self) -> None:
        """Write what nobody has flushed, and what was left for later, until cancelled."""
        while True:
            with trio.move_on_at(min(self._held.values(), default=float("inf"))):
                await self._wake.wait()
            self._wake = trio.Event()
            self._awake = False
            while self.flush():  # noqa: ASYNC110 - the others have a turn in between
                await trio.lowlevel.checkpoint()

    def flush(self) -> bool:
        """Write what waits, for at most ``OUTFLOW_SECONDS_MAX``; say whether some is left."""
        if self._busy:
            return True
        self._busy = True
        until = time.perf_counter() + OUTFLOW_SECONDS_MAX
        try:
            left = self._flush_rooms(until) or self._flush_lines(until)
        finally:
            self._busy = False
        if left:
            self._rouse()
        return left

    def _flush_rooms(self, until: float) -> bool:
        self._hold()
        while self._under_way is not None or self._rooms:
            if self._under_way is None:
                self._under_way = self._rooms.popleft().flush()
            for _ in self._under_way or ():
                if time.perf_counter() > until:
                    return True
            self._under_way = None
            if time.perf_counter() > until:
                return bool(self._rooms)
        return False

    def _hold(self) -> None:
        """Put aside the rooms that had better wait, and take back those that have waited."""
        if not self._held and not any(room.waits() for room in self._rooms):
            return
        rooms = [*self._held, *self._rooms]
        self._rooms.clear()
        held, self._held = self._held, {}
        now = trio.current_time()
        for room in rooms:
            until = held.get(room, now + HOLD_SECONDS_MAX)
            if now < until and room.waits():
                self._held[room] = until
            else:
                self._rooms.append(room)
        if self._held and not held:
            self._rouse()  # so that it sleeps no longer than that

    def _flush_lines(self, until: float) -> bool:
        lines, written = self._lines, 0
        while lines:
            lines.popleft().flush()
            written += 1
            if written % STEP_LINES == 0 and time.perf_counter() > until:
                return bool(lines)
        return False

    def _rouse(self) -> None:
        if not self._awake:
            self._awake = True
            self._wake.set()
