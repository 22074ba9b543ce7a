"""Which authors are on the list of which conversation, and who spoke for them: bounded. Pure."""

from typing import Any, NamedTuple

from engine.conversation.events import Author, Visibility
from engine.errors import BusyError, OutOfRangeError
from gateway.limits import (
    CONVERSATION_AUTHORS_MAX,
    ENVIRONMENT_AUTHORS_MAX,
    SOCKET_AUTHORS_MAX,
)

Source = Any
"""Who speaks for an author: a socket, told by its identity."""


class Seat(NamedTuple):
    """One author in one conversation, among everybody or among staff."""

    conversation: str
    author: Author
    visibility: Visibility = "public"


class Roll:
    """Seats by conversation and by source, so that both can be bounded and let go at once."""

    def __init__(self) -> None:
        """Start empty."""
        self._seats = 0
        self._in: dict[str, dict[Seat, None]] = {}
        self._of: dict[Source, dict[Seat, None]] = {}

    def __len__(self) -> int:
        return self._seats

    def take(self, seat: Seat) -> None:
        """Put a seat on the list; it is not there yet.

        Raises:
            OutOfRangeError: the conversation has no room for another author.
            BusyError: the environment has none.
        """
        if self._seats >= ENVIRONMENT_AUTHORS_MAX:
            raise BusyError("too many are here at the moment")
        seats = self._in.setdefault(seat.conversation, {})
        if len(seats) >= CONVERSATION_AUTHORS_MAX:
            raise OutOfRangeError(
                f"at most {CONVERSATION_AUTHORS_MAX} authors at the same time in a conversation"
            )
        seats[seat] = None
        self._seats += 1

    def leave(self, seat: Seat) -> None:
        """Take a seat off the list; it is there."""
        seats = self._in[seat.conversation]
        del seats[seat]
        if not seats:
            del self._in[seat.conversation]
        self._seats -= 1

    def check(self, seat: Seat, source: Source | None) -> None:
        """Refuse a source that speaks for too many others already.

        Raises:
            OutOfRangeError: it does.
        """
        seats = self._of.get(source, {}) if source is not None else {}
        if len(seats) >= SOCKET_AUTHORS_MAX and seat not in seats:
            raise OutOfRangeError(
                f"one connection speaks for at most {SOCKET_AUTHORS_MAX} authors at the same time"
            )

    def bind(self, seat: Seat, source: Source | None) -> None:
        """Note that ``source`` speaks for the seat; ``None`` is no source."""
        if source is not None:
            self._of.setdefault(source, {})[seat] = None

    def release(self, seat: Seat, source: Source | None) -> None:
        """Note that it does not any longer; harmless when it did not."""
        seats = self._of.get(source)
        if seats:
            seats.pop(seat, None)
            if not seats:
                del self._of[source]

    def of(self, source: Source, conversation: str | None = None) -> list[Seat]:
        """Return the seats a source speaks for, all or those in one conversation."""
        seats = self._of.get(source, {})
        return [seat for seat in seats if conversation in {None, seat.conversation}]

    def among(self, conversation: str) -> list[Seat]:
        """Return the seats of a conversation, in the order they were taken."""
        return list(self._in.get(conversation, ()))
