"""Deadlines that all lie equally far ahead: setting, dropping and finding the next cost the same.

A fixed span keeps them in order by themselves, so nothing is sorted and nothing lies about that
was dropped. Pure: the time is given.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Lapses(Generic[Key]):
    """Keys that lapse ``seconds`` after they were set the last time."""

    def __init__(self, seconds: float) -> None:
        """Start empty."""
        self._seconds = seconds
        self._deadlines: OrderedDict[Key, float] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._deadlines

    def __len__(self) -> int:
        return len(self._deadlines)

    @property
    def next(self) -> float:
        """Return the earliest deadline; infinity when there is none."""
        return next(iter(self._deadlines.values()), float("inf"))

    def set(self, key: Key, now: float) -> None:
        """Let ``key`` lapse ``seconds`` after ``now``, whatever was set before."""
        self._deadlines[key] = now + self._seconds
        self._deadlines.move_to_end(key)

    def drop(self, key: Key) -> None:
        """Let it not lapse at all; harmless when it was not set."""
        self._deadlines.pop(key, None)

    def due(self, now: float) -> list[Key]:
        """Return the keys whose time has come, and drop them."""
        found = []
        while self._deadlines and self.next <= now:
            found.append(self._deadlines.popitem(last=False)[0])
        return found
