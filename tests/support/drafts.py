"""Records to write, each with an event id of its own."""

from itertools import count

from persistence.protocols.event_log import OnDone
from persistence.records import Appended, Draft, Stream, StreamWrite

_NUMBERS = count(1)

Answer = tuple[Appended, ...] | Exception


def stream(name: str) -> Stream:
    """Return a stream of the kind that most tests write."""
    return Stream("conversation", name)


def draft(body: bytes = b"body", note: object = None) -> Draft:
    """Return a draft whose event id was never used before in this process."""
    return Draft(next(_NUMBERS).to_bytes(16), body, note)


def drafts(number: int, body: bytes = b"body") -> tuple[Draft, ...]:
    """Return ``number`` drafts with the same body."""
    return tuple(draft(body) for _ in range(number))


def write(name: str, expected_version: int, *bodies: bytes) -> StreamWrite:
    """Return a write of ``bodies`` (one, unless given) to the stream called ``name``."""
    wanted = bodies or (b"body",)
    return StreamWrite(stream(name), expected_version, tuple(draft(body) for body in wanted))


class Heard:
    """Everything that was called back, in order."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.calls: list[tuple[str, object]] = []

    def receipt(self, name: str) -> OnDone:
        """Return an ``on_done`` that notes its answer under ``name``."""
        return lambda answer: self.calls.append((name, answer))

    def listener(self, name: str) -> "Listener":
        """Return a listener that notes its batches under ``name``."""
        return Listener(name, self)

    @property
    def names(self) -> list[str]:
        """Who was called, in order."""
        return [name for name, _ in self.calls]

    def answer(self, name: str) -> object:
        """Return the one answer that ``name`` was called with."""
        [answer] = [answer for called, answer in self.calls if called == name]
        return answer


class Listener:
    """A listener of the feed that notes what it is told."""

    def __init__(self, name: str, heard: Heard) -> None:
        """Note under ``name`` in ``heard``."""
        self._name = name
        self._heard = heard

    def __call__(self, records: object) -> None:
        """Note one batch."""
        self._heard.calls.append((self._name, records))
