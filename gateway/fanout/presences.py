"""Who is present where, by whose word, and what of it the others are told. Pure: time is given."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from engine.conversation.events import Author
from gateway.fanout.lapses import Lapses
from gateway.fanout.roll import Roll, Seat, Source
from gateway.limits import PRESENCE_GRACE_SECONDS, PRESENCE_REST_SECONDS, SIGNAL_SECONDS

PresenceState = Literal["online", "away", "offline"]


class Present(NamedTuple):
    """An author that is here, and since when it is so (Unix milliseconds)."""

    author: Author
    state: PresenceState
    since_ms: int


class PresenceTold(NamedTuple):
    """What the others are to be told."""

    seat: Seat
    state: PresenceState
    since_ms: int


@dataclass(slots=True)
class _Presence:
    since_ms: int
    sockets: dict[Source, PresenceState] = field(default_factory=dict)
    rest: PresenceState = "offline"
    lingering: PresenceState = "offline"
    """What the last socket that closed had said; it holds a little longer."""
    told: PresenceState = "offline"

    @property
    def state(self) -> PresenceState:
        """Return the most present of what is said of the author."""
        return _most((*self.sockets.values(), self.rest, self.lingering))


class Presences:
    """An author is as present as the most present of its sockets, or as REST says it is.

    A closed socket holds for ``PRESENCE_GRACE_SECONDS``, a word by REST for
    ``PRESENCE_REST_SECONDS``. A change is told at once, the next one ``SIGNAL_SECONDS`` later.
    """

    def __init__(self) -> None:
        """Nobody is present."""
        self._presences: dict[Seat, _Presence] = {}
        self._roll = Roll()
        self._grace: Lapses[Seat] = Lapses(PRESENCE_GRACE_SECONDS)
        self._rest: Lapses[Seat] = Lapses(PRESENCE_REST_SECONDS)
        self._quiet: Lapses[Seat] = Lapses(SIGNAL_SECONDS)

    def __len__(self) -> int:
        return len(self._presences)

    @property
    def next(self) -> float:
        """Return when ``lapse`` has something to do; infinity when there is nothing."""
        return min(self._grace.next, self._rest.next, self._quiet.next)

    def present(self, conversation: str) -> list[Present]:
        """Return who is online or away in a conversation, in the order they came."""
        found = []
        for seat in self._roll.among(conversation):
            presence = self._presences[seat]
            if presence.state != "offline":
                found.append(Present(seat.author, presence.state, presence.since_ms))
        return found

    def say(
        self, seat: Seat, state: PresenceState, source: Source | None, *, now: float, now_ms: int
    ) -> list[PresenceTold]:
        """Take a word of a socket, or of REST (``None``); return what to tell the others.

        Raises:
            OutOfRangeError, BusyError: there is no room.
        """
        presence = self._presences.get(seat)
        if state != "offline":
            self._roll.check(seat, source)
            if presence is None:
                self._roll.take(seat)
                presence = self._presences[seat] = _Presence(now_ms)
        if presence is None:
            return []
        before = presence.state
        presence.lingering = "offline"
        self._grace.drop(seat)
        self._take(seat, presence, state, source, now)
        return self._settled(seat, presence, before, now, now_ms)

    def close(self, source: Source, *, now: float) -> None:
        """A socket closed: what it said holds a little longer."""
        for seat in self._roll.of(source):
            presence = self._presences[seat]
            self._roll.release(seat, source)
            presence.lingering = _most((presence.sockets.pop(source), presence.lingering))
            self._grace.set(seat, now)

    def withdraw(
        self, source: Source, conversation: str, *, now: float, now_ms: int
    ) -> list[PresenceTold]:
        """A socket may not be in a conversation any longer: what it said ends now."""
        told = []
        for seat in self._roll.of(source, conversation):
            presence = self._presences[seat]
            before = presence.state
            self._take(seat, presence, "offline", source, now)
            told += self._settled(seat, presence, before, now, now_ms)
        return told

    def lapse(self, now: float, now_ms: int) -> list[PresenceTold]:
        """End what has lasted long enough, and tell what had to wait."""
        ended = []
        for seat in self._grace.due(now):
            presence = self._presences[seat]
            before, presence.lingering = presence.state, "offline"
            ended += self._settled(seat, presence, before, now, now_ms)
        for seat in self._rest.due(now):
            presence = self._presences[seat]
            before, presence.rest = presence.state, "offline"
            ended += self._settled(seat, presence, before, now, now_ms)
        for seat in self._quiet.due(now):
            presence = self._presences[seat]
            ended += self._settled(seat, presence, presence.state, now, now_ms)
        return ended

    def _take(
        self,
        seat: Seat,
        presence: _Presence,
        state: PresenceState,
        source: Source | None,
        now: float,
    ) -> None:
        if source is None:
            presence.rest = state
            if state == "offline":
                self._rest.drop(seat)
            else:
                self._rest.set(seat, now)
        elif state == "offline":
            presence.sockets.pop(source, None)
            self._roll.release(seat, source)
        else:
            presence.sockets[source] = state
            self._roll.bind(seat, source)

    def _settled(
        self, seat: Seat, presence: _Presence, before: PresenceState, now: float, now_ms: int
    ) -> list[PresenceTold]:
        """Return what to tell now; what must wait is told when the quiet time is over."""
        state = presence.state
        if state != before:
            presence.since_ms = now_ms
        if seat in self._quiet:
            return []
        if state == presence.told:
            if state == "offline":
                del self._presences[seat]
                self._roll.leave(seat)
            return []
        presence.told = state
        self._quiet.set(seat, now)
        return [PresenceTold(seat, state, presence.since_ms)]


def _most(states: Iterable[PresenceState]) -> PresenceState:
    found = set(states)
    if "online" in found:
        return "online"
    return "away" if "away" in found else "offline"
