"""The bytes of an event, built once per wire format and audience and shared by every recipient."""

from typing import Any

import msgspec

from engine.events.envelope import conversation_of, render
from engine.log.event import Event
from engine.log.log import Log


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
        body = event_json(log, event, audience)
        frame = msgspec.json.encode(_head(log, event))[:-1] + b',"event":' + body + b"}"
        event.frames[key] = frame
    return frame


def websocket_msgpack(log: Log, event: Event, audience: str) -> bytes:
    """Return the ``event`` frame of the MessagePack dialect: decoded, it is the JSON one."""
    key = ("websocket msgpack", audience)
    frame = event.frames.get(key)
    if frame is None:
        body = msgspec.json.decode(event_json(log, event, audience))
        frame = msgspec.msgpack.encode(_head(log, event) | {"event": body})
        event.frames[key] = frame
    return frame


def _head(log: Log, event: Event) -> dict[str, Any]:
    return {
        "op": "event",
        "conversation": conversation_of(event),
        "version": event.version,
        "epoch": log.epoch,
    }
