"""The entries of the ledger of erasures, and what they say together. Pure.

An erasure is *begun* by one entry and *done* by another. Between the two it must be gone on with,
whatever happens to the process. No entry holds a word of the person: a TypeID, times, sealed bytes.
"""

from collections.abc import Iterator

import msgspec

from engine import crypto
from engine.errors import IdempotencyMismatchError
from engine.log.codec import UnknownFormatError

ERASURE = "era"
MAC_BYTES = 32


class Begun(msgspec.Struct, frozen=True, tag_field="entry", tag="begun"):
    """The key of this name is to be destroyed, and is used no more."""

    id: str
    subject: str
    key: str
    time_ms: int
    reason: bytes | None = None
    """Sealed, since people write names where none are asked for."""
    command_key: bytes | None = None
    fingerprint: bytes | None = None


class Done(msgspec.Struct, frozen=True, tag_field="entry", tag="done"):
    """The key is gone, and ``subject.erased`` stands on the log."""

    number: int
    """Of the entry that began it."""
    position: int


class Erasure(msgspec.Struct, frozen=True):
    """One erasure as the ledger knows it."""

    number: int
    begun: Begun
    position: int = 0
    """Of its event; 0 while it is not done."""

    @property
    def is_done(self) -> bool:
        """Say whether nothing is left to do."""
        return self.position > 0


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Begun | Done)


def encode(entry: Begun | Done) -> bytes:
    """Return one entry as JSON, which has no line break."""
    return _ENCODER.encode(entry)


def receipt_mac(key: bytes, erasure: Erasure) -> str:
    """Return the hexadecimal MAC of a receipt: whoever holds ``key`` knows it again."""
    begun = erasure.begun
    said = (begun.id, begun.subject, begun.time_ms, erasure.number, erasure.position)
    return crypto.mac(key, "\0".join(map(str, said)).encode(), MAC_BYTES).hex()


class Register:
    """All entries of one ledger, about 1 KiB of memory an erasure."""

    def __init__(self) -> None:
        """Start without an entry."""
        self._by_number: dict[int, Erasure] = {}
        self._by_id: dict[str, int] = {}
        self._newest_of: dict[str, int] = {}
        self._by_command: dict[bytes, int] = {}
        self.entries = 0

    def __iter__(self) -> Iterator[Erasure]:
        """Return every erasure in the order in which they began."""
        return iter(tuple(self._by_number.values()))

    def fold(self, line: bytes) -> Erasure:
        """Take notice of the next entry; return the erasure that it is about.

        Raises:
            UnknownFormatError: written by a newer Parley, or not by Parley at all.
        """
        number = self.entries + 1
        try:
            entry = _DECODER.decode(line)
            erasure = self._folded(number, entry)
        except (msgspec.MsgspecError, KeyError) as error:
            detail = f"entry {number} of the ledger of erasures is none that this version knows"
            raise UnknownFormatError(detail) from error
        self._by_number[erasure.number] = erasure
        self.entries = number
        return erasure

    def find(self, erasure_id: str) -> Erasure | None:
        """Return an erasure by its id."""
        number = self._by_id.get(erasure_id)
        return None if number is None else self._by_number[number]

    def newest_of(self, subject: str) -> Erasure | None:
        """Return the last erasure of a subject."""
        number = self._newest_of.get(subject)
        return None if number is None else self._by_number[number]

    def asked_before(self, command_key: bytes | None, fingerprint: bytes | None) -> Erasure | None:
        """Return the erasure that an idempotency key has begun.

        Raises:
            IdempotencyMismatchError: with another body.
        """
        number = None if command_key is None else self._by_command.get(command_key)
        if number is None:
            return None
        found = self._by_number[number]
        if found.begun.fingerprint != fingerprint:
            detail = "this idempotency key was used with another body; use a new key"
            raise IdempotencyMismatchError(detail)
        return found

    def _folded(self, number: int, entry: Begun | Done) -> Erasure:
        if isinstance(entry, Done):
            return msgspec.structs.replace(self._by_number[entry.number], position=entry.position)
        self._by_id[entry.id] = self._newest_of[entry.subject] = number
        if entry.command_key is not None:
            self._by_command[entry.command_key] = number
        return Erasure(number, entry)
