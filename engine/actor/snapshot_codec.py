"""What an actor knows ↔ the bytes of a snapshot: a MessagePack envelope around one sealed part.

Pure: no clock, no random source of its own, no I/O. The envelope says what is needed to open and
check it, in ids and numbers; the state and the remembered keys are sealed with the key of the
stream's own data subject, bound to environment, stream, version, schema and last event.
"""

from typing import Any

import msgspec

from engine.actor.kind import Kind
from engine.actor.memory import KeyMemory
from engine.crypto import UnsealError, seal, unseal
from persistence.records import Snapshot, Stream

FORMAT = 1


class Capture(msgspec.Struct, frozen=True):
    """What an actor knew behind one event of its stream, as plain bytes."""

    stream: Stream
    version: int
    event_id: bytes
    """16 bytes, of the event of that version: a log with another one has another history."""
    schema: int
    subject: str
    """Whose key seals it."""
    state: bytes
    keys: bytes


class Envelope(msgspec.Struct, array_like=True, frozen=True):
    """The open part. Fields are only ever added at the end."""

    format: int
    schema: int
    event_id: bytes
    key: str
    """The name of the key that opens it."""
    sealed: bytes


class Known(msgspec.Struct, frozen=True):
    """A snapshot that was opened: an actor may go on from it if the log has its event."""

    version: int
    event_id: bytes
    state: Any
    keys: KeyMemory


_ENCODER = msgspec.msgpack.Encoder()
_ENVELOPES = msgspec.msgpack.Decoder(Envelope)
_PARTS = msgspec.msgpack.Decoder(tuple[bytes, bytes])


def to_snapshot(capture: Capture, *, key: bytes, name: str, environment: str) -> Snapshot:
    """Return the stored form of ``capture``, sealed with its subject's ``key`` of this ``name``."""
    plain = _ENCODER.encode((capture.state, capture.keys))
    stream, version, event_id = capture.stream, capture.version, capture.event_id
    place = _place(environment, stream, version, capture.schema, event_id)
    sealed = seal(key, plain, place)
    body = Envelope(FORMAT, capture.schema, event_id, name, sealed)
    return Snapshot(stream, version, _ENCODER.encode(body))


def envelope_of(snapshot: Snapshot, kind: Kind) -> Envelope | None:
    """Return the open part; ``None`` if this version of ``kind`` does not read it."""
    try:
        envelope = _ENVELOPES.decode(snapshot.body)
    except msgspec.MsgspecError:
        return None
    is_read = kind.form is not None and (envelope.format, envelope.schema) == (
        FORMAT,
        kind.form.schema,
    )
    return envelope if is_read else None


def opened(
    snapshot: Snapshot, envelope: Envelope, kind: Kind, *, key: bytes, environment: str
) -> Known | None:
    """Return what is inside; ``None`` if it was changed, moved, or is of another shape."""
    stream, version = snapshot.stream, snapshot.version
    if kind.form is None:
        return None
    try:
        place = _place(environment, stream, version, envelope.schema, envelope.event_id)
        plain = unseal(key, envelope.sealed, place)
        packed_state, packed_keys = _PARTS.decode(plain)
        state = kind.form.load(packed_state)
        keys = KeyMemory.load(packed_keys)
    except (UnsealError, msgspec.MsgspecError):
        return None
    if (state.name, state.version) != (stream.name, version):
        return None
    return Known(version, envelope.event_id, state, keys)


def _place(environment: str, stream: Stream, version: int, schema: int, event_id: bytes) -> bytes:
    names = ("snapshot", environment, *stream, str(version), str(schema), event_id.hex())
    return "\0".join(names).encode()
