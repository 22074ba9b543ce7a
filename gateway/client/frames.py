"""What a server says on the realtime WebSocket, as our client reads it. Pure.

Members and frames that a newer server may add are passed over.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

NO_PARLEY = "this is no answer of a Parley server"


class Problem(msgspec.Struct, frozen=True):
    """A problem document (RFC 9457), as far as it is shown."""

    title: str = "refused"
    detail: str = ""
    code: str = ""
    status: int = 0

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.title}: {self.detail}" if self.detail else self.title


class Frame(msgspec.Struct, frozen=True):
    """A frame of the server; which members it has depends on ``op``."""

    op: str
    ref: int | str | None = None
    heartbeat_ms: int = 25_000
    environment: str = ""
    audience: str = ""
    cursor: str | None = None
    version: int | None = None
    epoch: str | None = None
    event: msgspec.Raw = msgspec.Raw(b"")
    problem: Problem | None = None
    code: int | None = None
    reason: str = ""
    reconnect: bool = True
    retry_after: float | None = None


class Event(msgspec.Struct, frozen=True):
    """An event as it is published, as far as every event has it."""

    type: str
    id: str
    data: dict[str, Any]
    time: str
    """RFC 3339."""
    cursor: str
    """Resumes any door behind this event."""
    conversation: str | None = None
    version: int = 0
    previous: int = 0
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """An event, and the JSON it came as, byte for byte."""

    event: Event
    json: bytes


class BadFrameError(Exception):
    """The peer says what no Parley server says."""


def decode(text: str | bytes) -> Frame:
    """Return the frame in one WebSocket message.

    Raises:
        BadFrameError: it is none.
    """
    try:
        return _FRAMES.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadFrameError(NO_PARLEY) from error


def received(frame: Frame) -> Received:
    """Return the event in an ``event`` frame.

    Raises:
        BadFrameError: there is none.
    """
    raw = bytes(frame.event)
    try:
        return Received(_EVENTS.decode(raw), raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadFrameError(NO_PARLEY) from error


def problem(body: bytes | None) -> Problem | None:
    """Return the problem in the body of a refused upgrade; ``None`` if it is no problem."""
    try:
        return _PROBLEMS.decode(body or b"")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def encode(op: str, **members: Any) -> str:
    """Return a frame of the client; members that are ``None`` are left out."""
    given = {name: value for name, value in members.items() if value is not None}
    return msgspec.json.encode({"op": op, **given}).decode()


_FRAMES = msgspec.json.Decoder(Frame)
_EVENTS = msgspec.json.Decoder(Event)
_PROBLEMS = msgspec.json.Decoder(Problem)
