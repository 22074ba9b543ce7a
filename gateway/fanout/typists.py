"""Who is typing where, for how long, and what of it the others are told. Pure: time is given."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from gateway.fanout.lapses import Lapses
from gateway.fanout.roll import Roll, Seat, Source
from gateway.limits import SIGNAL_SECONDS, TYPING_SECONDS

TypingState = Literal["start", "stop"]


class TypingTold(NamedTuple):
    """What the others are to be told; its source knows it already."""

    seat: Seat
    state: TypingState
    source: Source | None


@dataclass(slots=True)
class _Typist:
    source: Source | None
    typing: bool = True
    told: bool = False
    """Whether the others believe that it is typing."""


class Typists:
    """Typing holds for ``TYPING_SECONDS``; its start is told once in ``SIGNAL_SECONDS`` at most.

    A start that comes sooner is told when that time is over, if it still holds then. So what one
    author can make the server say is bounded, and a stop is always told at once.
    """

    def __init__(self) -> None:
        """Nobody types."""
        self._typists: dict[Seat, _Typist] = {}
        self._roll = Roll()
        self._ends: Lapses[Seat] = Lapses(TYPING_SECONDS)
        self._quiet: Lapses[Seat] = Lapses(SIGNAL_SECONDS)

    def __len__(self) -> int:
        return len(self._typists)

    @property
    def next(self) -> float:
        """Return when ``lapse`` has something to do; infinity when nobody types."""
        return min(self._ends.next, self._quiet.next)

    def start(self, seat: Seat, source: Source | None, now: float) -> bool:
        """Let an author type from ``now`` on; say whether to tell the others.

        Raises:
            OutOfRangeError, BusyError: there is no room.
        """
        self._roll.check(seat, source)
        typist = self._typists.get(seat)
        if typist is None:
            self._roll.take(seat)
            typist = self._typists[seat] = _Typist(source)
        self._roll.release(seat, typist.source)
        self._roll.bind(seat, source)
        typist.source, typist.typing = source, True
        self._ends.set(seat, now)
        if seat in self._quiet:
            return False
        self._tell(seat, typist, now)
        return True

    def stop(self, seat: Seat) -> bool:
        """Let an author type no longer; say whether to tell the others."""
        typist = self._typists.get(seat)
        if typist is None or not typist.typing:
            return False
        told, typist.told, typist.typing = typist.told, False, False
        self._ends.drop(seat)
        self._roll.release(seat, typist.source)
        if seat not in self._quiet:
            self._forget(seat)
        return told

    def leave(self, source: Source, conversation: str | None = None) -> list[TypingTold]:
        """Stop all that ``source`` types, everywhere or in one conversation."""
        return self._stopped(self._roll.of(source, conversation))

    def lapse(self, now: float) -> list[TypingTold]:
        """End what has lasted long enough, and tell what had to wait."""
        late = []
        for seat in self._quiet.due(now):
            typist = self._typists[seat]
            if not typist.typing:
                self._forget(seat)
            elif not typist.told:
                self._tell(seat, typist, now)
                late.append(TypingTold(seat, "start", typist.source))
        return late + self._stopped(self._ends.due(now))

    def _stopped(self, seats: list[Seat]) -> list[TypingTold]:
        sources = {seat: self._typists[seat].source for seat in seats}
        return [TypingTold(seat, "stop", sources[seat]) for seat in seats if self.stop(seat)]

    def _tell(self, seat: Seat, typist: _Typist, now: float) -> None:
        typist.told = True
        self._quiet.set(seat, now)

    def _forget(self, seat: Seat) -> None:
        del self._typists[seat]
        self._roll.leave(seat)
