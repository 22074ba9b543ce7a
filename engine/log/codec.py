"""Event ↔ stored bytes: a MessagePack envelope around one sealed part.

Pure: no clock, no random source of its own, no I/O. The key of the subject comes from outside.
The sealed part is bound to its environment and event, so rows cannot be swapped. It holds the data
as JSON, and what else would say something of its subject: the customer that acted, and the hash of
what was asked for, from which a short text could be guessed.
"""

from functools import lru_cache

import msgspec

from engine import ids
from engine.crypto import seal, unseal
from engine.feature import Catalogue, Remains, encode
from engine.log.event import PUBLIC, Event
from persistence.records import StoredRecord

FORMAT = 2
FORMATS_READ = frozenset({1, 2})
"""In format 1 the sealed part is the data alone; actor and fingerprint stand in the open."""


class UnknownFormatError(Exception):
    """A record of a format this version of Parley does not read."""


class Head(msgspec.Struct, array_like=True, frozen=True):
    """The open part of a record. Fields are only ever added at the end."""

    format: int
    type: str
    schema: int
    time_ms: int
    visibility: int
    previous_public: int
    actor: str
    subject: str
    """The name of the key that seals it (:func:`key_name`)."""
    sealed: bytes
    command_key: bytes | None = None
    fingerprint: bytes | None = None
    causation_id: bytes | None = None
    traceparent: str | None = None
    about: bytes | None = None


class Inside(msgspec.Struct, array_like=True, frozen=True):
    """The sealed part of a record. Fields are only ever added at the end."""

    data: bytes
    actor: str | None = None
    """Who acted, if it may be a person; ``None`` = it stands in the open part."""
    fingerprint: bytes | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Head)
_INSIDE = msgspec.msgpack.Decoder(Inside)
_AGAIN = "#"
ERASED_ACTOR = "erased"
"""Who has acted, of a tombstone, if it was a person."""

_OURS = frozenset({"", "system"})


def bound_to(environment: str) -> bytes:
    """Return what binds the sealed parts of an environment to it: made once, for every event."""
    return environment.encode() + b"\0"


def to_body(event: Event, *, key: bytes, name: str, bound: bytes) -> bytes:
    """Return the stored bytes of ``event``, its data sealed with its subject's ``key``.

    Args:
        event: with everything but its position.
        key: of its subject.
        name: of that key.
        bound: :func:`bound_to` its environment.
    """
    actor, is_open = event.actor, is_nobody(event.actor)
    inside = Inside(event.data, None if is_open else actor, event.fingerprint)
    return _ENCODER.encode(
        Head(
            format=FORMAT,
            type=event.type,
            schema=event.schema,
            time_ms=event.time_ms,
            visibility=event.visibility,
            previous_public=event.previous_public,
            actor=actor if is_open else "",
            subject=name,
            sealed=seal(key, _ENCODER.encode(inside), bound + event.uuid),
            command_key=event.command_key,
            causation_id=event.causation_id,
            traceparent=event.traceparent,
            about=event.about,
        )
    )


def head_of(record: StoredRecord) -> Head:
    """Return the open part of a record.

    Raises:
        UnknownFormatError: written by a newer Parley, or not by Parley at all.
    """
    try:
        head = _DECODER.decode(record.body)
    except msgspec.MsgspecError as error:
        detail = f"record {record.position} is no record of Parley"
        raise UnknownFormatError(detail) from error
    if head.format not in FORMATS_READ:
        detail = (
            f"record {record.position} has format {head.format}; this version reads 1 to {FORMAT}"
        )
        raise UnknownFormatError(detail)
    return head


def to_event(
    record: StoredRecord, head: Head, *, key: bytes, bound: bytes, catalogue: Catalogue
) -> Event:
    """Return the event in ``record``, opened with its subject's ``key``.

    Raises:
        engine.crypto.UnsealError: the bytes were changed, or moved from another place.
    """
    plain = unseal(key, head.sealed, bound + record.event_id)
    if head.format == 1:
        inside = Inside(plain, head.actor, head.fingerprint)
    else:
        inside = _INSIDE.decode(plain)
    return Event(
        stream=record.stream,
        version=record.version,
        position=record.position,
        uuid=record.event_id,
        type=head.type,
        schema=head.schema,
        time_ms=head.time_ms,
        visibility=head.visibility,
        previous_public=head.previous_public,
        actor=head.actor if inside.actor is None else inside.actor,
        subject=subject_of(head),
        data=inside.data,
        catalogue=catalogue,
        command_key=head.command_key,
        fingerprint=inside.fingerprint,
        causation_id=head.causation_id,
        traceparent=head.traceparent,
        about=head.about,
        outdated=record.outdated,
    )


def to_tombstone(record: StoredRecord, head: Head, *, catalogue: Catalogue) -> Event:
    """Return what is left of the event in ``record`` when the key of its subject was destroyed.

    Its place, its time and its kind are as they were; who acted and what was said are gone.
    """
    remains = Remains(record.stream.name, head.about, public=head.visibility == PUBLIC)
    payload = catalogue[head.type].tombstone(remains)
    return Event(
        stream=record.stream,
        version=record.version,
        position=record.position,
        uuid=record.event_id,
        type=head.type,
        schema=head.schema,
        time_ms=head.time_ms,
        visibility=head.visibility,
        previous_public=head.previous_public,
        actor=head.actor if is_nobody(head.actor) and head.actor else ERASED_ACTOR,
        subject=subject_of(head),
        data=encode(payload),
        payload=payload,
        catalogue=catalogue,
        command_key=head.command_key,
        causation_id=head.causation_id,
        traceparent=head.traceparent,
        about=head.about,
        outdated=record.outdated,
    )


def key_name(subject: str, erasures: int) -> str:
    """Return the name of a subject's key behind so many erasures: whoever comes back is new."""
    return f"{subject}{_AGAIN}{erasures}" if erasures else subject


def subject_of(head: Head) -> str:
    """Return whose data is sealed: what the name of its key begins with."""
    return head.subject.partition(_AGAIN)[0]


def is_nobody(actor: str) -> bool:
    """Say whether who acted is a key or Parley itself, and so no person."""
    return actor in _OURS or (actor.startswith("key_") and _is_key(actor))


@lru_cache(maxsize=1024)
def _is_key(actor: str) -> bool:
    """Say whether it is the id of a key, which is no person's."""
    return ids.uuid_of(ids.KEY, actor) is not None
