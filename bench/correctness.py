"""A fast answer that is wrong is worth nothing: every message is counted, where it is kept and
where it is received. A run in which one is lost, doubled or out of order is void.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.messages import Kept, Key, key_of


@dataclass
class Counts:
    """What became of the messages of a run."""

    sent: int = 0
    acked: int = 0
    delivered: int = 0
    unanswered: int = 0
    """Sent, and neither acknowledged nor refused in time."""
    lost: int = 0
    """Acknowledged, but not kept as acknowledged; or kept, but never received by a member."""
    doubled: int = 0
    disordered: int = 0
    """Versions with a gap, or messages of one author out of the order they were sent in."""
    errors: int = 0

    @property
    def void(self) -> bool:
        return any((self.unanswered, self.lost, self.doubled, self.disordered, self.errors))

    def add(self, other: "Counts") -> None:
        """Count what ``other`` has counted too."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


class Posted:
    """What was written to one conversation, and what the server said of it."""

    def __init__(self, conversation: str) -> None:
        self.conversation = conversation
        self.intended: dict[Key, float] = {}
        """When each message was to be sent."""
        self.versions: dict[Key, int] = {}
        """The version each was acknowledged with."""
        self.doubled = 0
        self.errors: list[str] = []

    @property
    def settled(self) -> bool:
        """Whether everything sent was answered, one way or the other."""
        return len(self.versions) + len(self.errors) >= len(self.intended)

    def acked(self, key: Key, version: int) -> None:
        """Note an acknowledgement; a second one of the same message is a fault."""
        if key in self.versions:
            self.doubled += 1
        elif key not in self.intended:
            self.errors.append(f"{key} was acknowledged but never sent")
        else:
            self.versions[key] = version


def count_kept(posted: Posted, kept: Sequence[Kept], *, first_version: int) -> Counts:
    """Compare what a conversation holds with what its writers were told.

    Args:
        posted: what was sent and acknowledged.
        kept: every message of the conversation, as it was read back.
        first_version: the version of a conversation's first message.
    """
    keys = [key_of(posted.conversation, message.text) for message in kept]
    versions = {key: message.version for key, message in zip(keys, kept, strict=True)}
    counts = Counts(
        sent=len(posted.intended),
        acked=len(posted.versions),
        unanswered=max(0, len(posted.intended) - len(posted.versions) - len(posted.errors)),
        doubled=posted.doubled,
        errors=len(posted.errors),
    )
    counts.lost = sum(versions.get(key) != told for key, told in posted.versions.items())
    counts.doubled += sum(times - 1 for times in Counter(keys).values())
    counts.errors += sum(key is None or key not in posted.intended for key in keys)
    counts.disordered = _behind([key for key in keys if key is not None])
    dense = list(range(first_version, first_version + len(kept)))
    counts.disordered += [message.version for message in kept] != dense
    return counts


def _behind(keys: Sequence[Key]) -> int:
    """Return how many messages stand behind a later one of their author."""
    newest: dict[int, int] = {}
    behind = 0
    for author, number in keys:
        behind += number < newest.get(author, -1)
        newest[author] = max(number, newest.get(author, -1))
    return behind


class Received:
    """What one member of a conversation received, checked as it comes: 1 µs a message."""

    def __init__(self, version: int) -> None:
        """Expect every version behind ``version``."""
        self._first = version
        self._version = version
        self._missing: set[int] = set()
        self._numbers: dict[int, int] = {}
        self.delivered = 0
        self.doubled = 0
        self.disordered = 0
        self.errors = 0

    def take(self, version: int, key: Key | None) -> bool:
        """Note one delivery; say whether it was the first of its version."""
        self.delivered += 1
        if key is None:
            self.errors += 1
            return False
        if version == self._version + 1:
            self._version = version
            self._in_order(key)
            return True
        return self._out_of_turn(version)

    def counts(self, last_version: int) -> Counts:
        """Count, when everything up to ``last_version`` ought to be here."""
        return Counts(
            delivered=self.delivered,
            lost=len(self._missing) + max(0, last_version - self._version),
            doubled=self.doubled,
            disordered=self.disordered,
            errors=self.errors,
        )

    def _in_order(self, key: Key) -> None:
        author, number = key
        self.disordered += number <= self._numbers.get(author, -1)
        self._numbers[author] = number

    def _out_of_turn(self, version: int) -> bool:
        if version > self._version:
            self._missing.update(range(self._version + 1, version))
            self._version = version
            return True
        if version in self._missing:
            self._missing.remove(version)
            self.disordered += 1
            return True
        self.doubled += 1
        return False
