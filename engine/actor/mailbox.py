"""The bounded queue in front of an actor. Nothing is dropped in silence: a full one refuses."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from engine.actor.outcome import Envelope
from engine.errors import BusyError
from engine.limits import MAILBOX_BYTES_MAX, MAILBOX_COMMANDS_MAX


@dataclass(frozen=True, slots=True)
class MailboxStatistics:
    """What waits right now."""

    commands: int
    bytes: int


class Mailbox:
    """First in, first out; bounded by count and by bytes."""

    __slots__ = ("_bytes", "_waiting")

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: deque[Envelope] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many commands wait."""
        return len(self._waiting)

    def statistics(self) -> MailboxStatistics:
        """Return what waits right now."""
        return MailboxStatistics(len(self._waiting), self._bytes)

    def put(self, envelope: Envelope) -> None:
        """Add a command at the end.

        Raises:
            BusyError: it is full; the command was not taken.
        """
        if (
            len(self._waiting) >= MAILBOX_COMMANDS_MAX
            or self._bytes + envelope.size > MAILBOX_BYTES_MAX
        ):
            detail = "this conversation has more work waiting than it takes on; try again shortly"
            raise BusyError(detail)
        self._waiting.append(envelope)
        self._bytes += envelope.size

    def take(self, count: int) -> list[Envelope]:
        """Remove and return the oldest commands, at most ``count``; none when there is none."""
        waiting = self._waiting
        taken = [waiting.popleft() for _ in range(min(count, len(waiting)))]
        for envelope in taken:
            self._bytes -= envelope.size
        return taken

    def put_back(self, envelopes: Sequence[Envelope]) -> None:
        """Return commands that were taken but not begun to their places at the front."""
        for envelope in reversed(envelopes):
            self._waiting.appendleft(envelope)
            self._bytes += envelope.size

    def drain(self) -> list[Envelope]:
        """Remove and return everything: its askers must be told."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return waiting
