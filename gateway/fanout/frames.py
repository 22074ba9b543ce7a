"""The bytes of an event, built once per wire format and audience and shared by every recipient."""

import msgspec
from msgspec import UNSET, UnsetType

from engine.events.envelope import conversation_of, render
from engine.log.event import Event
from engine.log.log import Log

_ENCODER = msgspec.json.Encoder()


class EventFrame(msgspec.Struct, frozen=True, tag_field="op", tag="event"):
    """The ``event`` frame of a dialogue."""

    conversation: str | None
    version: int
    epoch: str
    event: msgspec.Raw


class Receipt(msgspec.Struct, frozen=True, tag_field="op", tag="ok"):
    """The ``ok`` frame of a message that is on disk; ``ref`` is the client's, if it gave one."""

    ref: int | str | UnsetType
    id: str | None
    conversation: str
    version: int
    epoch: str
    cursor: str
    event_id: str
    replayed: bool


def receipt(log: Log, ref: int | str | None, event: Event, *, replayed: bool) -> Receipt:
    """Return the answer to the message that ``event`` has made."""
    return Receipt(
        UNSET if ref is None else ref,
        event.resource_id,
        event.stream.name,
        event.version,
        log.epoch,
        log.cursor_of(event),
        event.id,
        replayed,
    )


def event_json(log: Log, event: Event, audience: str) -> bytes:
    """Return the event itself: what every door carries, byte for byte."""
    key = ("json", audience)
    frame = event.frames.get(key)
    if frame is None:
        frame = render(event, audience=audience, cursor=log.cursor_of(event))
        event.frames[key] = frame
    return frame


def ndjson_line(log: Log, event: Event, audience: str) -> bytes:
    """Return the event as one line of ``application/x-ndjson``."""
    key = ("ndjson", audience)
    frame = event.frames.get(key)
    if frame is None:
        frame = event.frames[key] = event_json(log, event, audience) + b"\n"
    return frame


def sse_event(log: Log, event: Event, audience: str) -> bytes:
    """Return the event for an EventSource. JSON holds no raw line break, so it cannot split."""
    key = ("sse", audience)
    frame = event.frames.get(key)
    if frame is None:
        frame = b"id: %b\ndata: %b\n\n" % (
            log.cursor_of(event).encode(),
            event_json(log, event, audience),
        )
        event.frames[key] = frame
    return frame


def websocket_json(log: Log, event: Event, audience: str) -> bytes:
    """Return the ``event`` frame of the JSON dialect."""
    key = ("websocket json", audience)
    frame = event.frames.get(key)
    if frame is None:
        frame = _ENCODER.encode(_event_frame(log, event, event_json(log, event, audience)))
        event.frames[key] = frame
    return frame


def websocket_msgpack(log: Log, event: Event, audience: str) -> bytes:
    """Return the ``event`` frame of the MessagePack dialect: decoded, it is the JSON one."""
    key = ("websocket msgpack", audience)
    frame = event.frames.get(key)
    if frame is None:
        body = msgspec.json.decode(event_json(log, event, audience))
        packed = msgspec.msgpack.encode(body)
        frame = msgspec.msgpack.encode(_event_frame(log, event, packed))
        event.frames[key] = frame
    return frame


def _event_frame(log: Log, event: Event, body: bytes) -> EventFrame:
    return EventFrame(conversation_of(event), event.version, log.epoch, msgspec.Raw(body))
