"""The nouns of storage: what crosses the seam between the engine and a backend.

Structs where every record needs a new one: they are made in a third of a named tuple's time.
"""

import secrets
from typing import Any, NamedTuple

import msgspec

EVENT_ID_BYTES = 16
EPOCH_CHARACTERS = 8
EPOCH_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class Stream(NamedTuple):
    """The name of one stream inside one environment, for example ``("conversation", "conv_…")``."""

    kind: str
    name: str


class Draft(msgspec.Struct, frozen=True):
    """A record that is not stored yet."""

    event_id: bytes
    """16 bytes, unique in the environment."""
    body: bytes
    """At most ``limits.BODY_BYTES_MAX``; opaque to every backend."""
    note: Any = None
    """An in-process value handed back with the committed record, so that listeners need not decode
    the body again. Never stored: a record read from the log has the note ``None``."""
    about: bytes | None = None
    """The event id of the earlier record that this one says something about, if any: what was said
    of it later is found by it, in one indexed read."""
    withdraws: bool = False
    """Whether readers must be told of ``about``, and of all that is about the same, that its
    content is withdrawn."""


class StreamWrite(msgspec.Struct, frozen=True):
    """Drafts for the end of one stream."""

    stream: Stream
    expected_version: int
    """The version the caller last saw; 0 for a stream without records."""
    drafts: tuple[Draft, ...]


class Appended(msgspec.Struct, frozen=True):
    """Where the last draft of one :class:`StreamWrite` ended up."""

    stream: Stream
    version: int
    position: int


class StoredRecord(msgspec.Struct, frozen=True):
    """A record as it lies in the log."""

    position: int
    """1, 2, 3… in the environment: dense, in commit order."""
    stream: Stream
    version: int
    """1, 2, 3… in the stream: dense."""
    event_id: bytes
    body: bytes
    note: Any = None
    about: bytes | None = None
    """The event id of the earlier record that it is about."""
    outdated: bool = False
    """Whether, when it was read, a later record was about it, or about the same one as it."""
    withdrawn: bool = False
    """Whether one of those withdraws it."""


class Snapshot(msgspec.Struct, frozen=True):
    """What an actor knew behind one version of its stream."""

    stream: Stream
    version: int
    body: bytes
    """At most ``limits.SNAPSHOT_BYTES_MAX``; opaque to every backend."""


def new_epoch() -> str:
    """Draw the epoch of a log that is being made or restored."""
    return "".join(secrets.choice(EPOCH_ALPHABET) for _ in range(EPOCH_CHARACTERS))
