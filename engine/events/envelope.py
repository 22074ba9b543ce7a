"""The published form of an event: the same bytes at every door. Pure.

``{"type","id","data",…}``; the data is spliced in as it was encoded in the event's turn.
"""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from engine.feature import encode
from engine.log.event import CUSTOMER, Event

_JSON = msgspec.json.Encoder()

TIMES_REMEMBERED = 256
"""Times whose text is kept: what is published now mostly falls into the same few milliseconds."""


class Published(msgspec.Struct, frozen=True):
    """What stands around the data of an event, in the order in which it is written."""

    type: str
    id: str
    data: msgspec.Raw
    time: str
    conversation: str | None
    version: int
    previous: int
    cursor: str
    schema: int
    actor: str
    idempotency_key: str
    causation_id: bytes | None
    traceparent: str | None


@lru_cache(maxsize=TIMES_REMEMBERED)
def rfc3339(time_ms: int) -> str:
    """Return Unix milliseconds as RFC 3339 in UTC with milliseconds and a ``Z``."""
    return f"{_second(time_ms // 1000)}.{time_ms % 1000:03d}Z"


def rfc3339_seconds(time_s: int) -> str:
    """Return Unix seconds as RFC 3339 in UTC with a ``Z``."""
    return f"{_second(time_s)}Z"


@lru_cache(maxsize=TIMES_REMEMBERED)
def _second(time_s: int) -> str:
    """Return a second without its zone."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def data_of(event: Event, audience: str) -> bytes:
    """Return the JSON data of an event, led by the id of the resource it made, if any.

    As it was encoded in the event's turn, but for what a customer must not read in it.
    """
    data = event.data
    if audience == CUSTOMER:
        shown = event.payload.for_customers()
        data = data if shown is event.payload else encode(shown)
    resource_id = event.resource_id
    if resource_id is None:
        return data
    return b'{"id":"%b",%b' % (resource_id.encode(), data[1:])


def conversation_of(event: Event) -> str | None:
    """Return the TypeID of the conversation an event belongs to."""
    return event.stream.name if event.stream.kind == "conversation" else None


def render(event: Event, *, audience: str, cursor: str) -> bytes:
    """Return the JSON of an event as ``audience`` may see it.

    Args:
        event: committed, and visible to ``audience``.
        audience: decides ``previous``, the version before which this audience has seen nothing.
        cursor: the event's own cursor.
    """
    event_id = event.id
    return _JSON.encode(
        Published(
            type=event.type,
            id=event_id,
            data=msgspec.Raw(data_of(event, audience)),
            time=rfc3339(event.time_ms),
            conversation=conversation_of(event),
            version=event.version,
            previous=event.previous(audience),
            cursor=cursor,
            schema=event.schema,
            actor=event.actor,
            idempotency_key=event_id,
            causation_id=event.causation_id,
            traceparent=event.traceparent,
        )
    )
