"""The wire formats of events: what makes the same bytes for all members of a room. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from engine.log.event import Event
from engine.log.log import Log
from gateway.fanout.frames import ndjson_line, sse_event
from gateway.framing import websocket
from gateway.framing.chunked import chunk

Frame = Callable[[Log, Event, str], bytes]


class Speech(Protocol):
    """What of a dialect makes its events."""

    @property
    def subprotocol(self) -> str:
        """Return its name."""

    @property
    def binary(self) -> bool:
        """Say whether its messages are binary."""

    @property
    def event(self) -> Frame:
        """Return what makes the payload of an event."""


@dataclass(frozen=True, slots=True)
class Form:
    """A wire format of events."""

    name: str
    frame: Frame
    """The bytes of an event for an audience, as they go over the wire."""
    joinable: bool = True
    """Whether several, one behind the other, may leave as one piece."""


def _built_once(name: str, inner: Frame, wrap: Callable[[bytes], bytes]) -> Form:
    """Return the form that wraps what another one makes; its bytes are kept on the event too."""

    def frame(log: Log, event: Event, audience: str) -> bytes:
        key = (name, audience)
        found = event.frames.get(key)
        if found is None:
            found = event.frames[key] = wrap(inner(log, event, audience))
        return found

    return Form(name, frame)


@cache
def websocket_form(dialect: Speech, *, framed: bool) -> Form:
    """Return the form of a dialect: the payloads of messages, or whole WebSocket frames."""
    if not framed:
        return Form(dialect.subprotocol, dialect.event, joinable=False)
    opcode = websocket.BINARY if dialect.binary else websocket.TEXT

    def wrap(payload: bytes) -> bytes:
        return websocket.frame(opcode, payload)

    return _built_once(f"{dialect.subprotocol}, framed", dialect.event, wrap)


SSE_PLAIN, NDJSON_PLAIN = Form("sse", sse_event), Form("ndjson", ndjson_line)
SSE_CHUNKED = _built_once("sse, chunked", sse_event, chunk)
NDJSON_CHUNKED = _built_once("ndjson, chunked", ndjson_line, chunk)
