"""Streams whose actor fails again and again: they are let alone for a while. Pure.

A command that makes its actor fail is sent again by whoever does not know better, and each time
everything behind it in the mailbox fails too, and the stream is replayed. After
``FAILURES_BEFORE_PARKING`` failures in a row its commands are refused for a growing time; then one
more is let through, and its fate decides.
"""

from collections import OrderedDict
from collections.abc import Callable

from engine.errors import ConversationParkedError
from engine.limits import (
    ASK_SECONDS,
    FAILURES_BEFORE_PARKING,
    PARKED_SECONDS_MAX,
    PARKED_SECONDS_MIN,
    TROUBLED_STREAMS_MAX,
)
from persistence.records import Stream


class Trouble:
    """What is remembered of a stream whose actor has failed."""

    __slots__ = ("failures", "tried", "until")

    def __init__(self) -> None:
        """Start before the first failure."""
        self.failures = 0
        self.until = 0.0
        """Seconds of the clock; before it, no command is let through."""
        self.tried = False
        """Whether what was let through is a command: questions decide nothing."""

    @property
    def is_parked(self) -> bool:
        """Say whether it has failed too often."""
        return self.failures >= FAILURES_BEFORE_PARKING


class Parking:
    """The streams in trouble: nearly always none, so it is empty and false."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Measure time with ``now``, in seconds."""
        self._now = now
        self._troubles: OrderedDict[Stream, Trouble] = OrderedDict()

    def __bool__(self) -> bool:
        """Say whether there is anything to look at."""
        return bool(self._troubles)

    def parked(self) -> int:
        """Return how many streams are parked, or on trial."""
        return sum(trouble.is_parked for trouble in self._troubles.values())

    def admit(self, stream: Stream, *, is_question: bool) -> None:
        """Let a command through, unless its stream is parked.

        Raises:
            ConversationParkedError: it is; the error says for how long.
        """
        trouble = self._troubles.get(stream)
        if trouble is None or not trouble.is_parked:
            return
        now = self._now()
        if now < trouble.until:
            raise _refusal(trouble.until - now)
        trouble.tried = not is_question
        trouble.until = now + ASK_SECONDS  # nobody else before this one's fate is known

    def failed(self, stream: Stream, *, times: int = 1) -> float:
        """Count a failure of a stream's actor; return for how many seconds it is parked by it."""
        trouble = self._troubles.setdefault(stream, Trouble())
        self._troubles.move_to_end(stream)
        if len(self._troubles) > TROUBLED_STREAMS_MAX:
            self._troubles.popitem(last=False)
        trouble.failures += times
        trouble.tried = False
        if not trouble.is_parked:
            return 0.0
        doublings = min(trouble.failures - FAILURES_BEFORE_PARKING, 32)
        pause = min(PARKED_SECONDS_MIN * 2.0**doublings, PARKED_SECONDS_MAX)
        trouble.until = self._now() + pause
        return pause

    def went_well(self, stream: Stream, *, moved: bool) -> None:
        """Hear of a turn without a failure; ``moved`` says that it has made events.

        What shows that a stream is well again is an event, or any fate of the command on trial:
        that somebody could read it says nothing about what it fails at.
        """
        trouble = self._troubles.get(stream)
        if trouble is None:
            return
        if moved or trouble.tried:
            del self._troubles[stream]
        elif trouble.is_parked:
            trouble.until = self._now()  # a question was let through: the next one is the trial


def _refusal(seconds: float) -> ConversationParkedError:
    detail = "its actor has failed again and again, so it is let alone for a while; try again later"
    error = ConversationParkedError(detail)
    error.retry_after_s = max(1.0, seconds)
    return error
