"""The realtime dialogue as data: phases, frames, and which frame goes in which phase. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.conversation.events import Visibility
from engine.errors import ParleyError
from gateway.api.conversation.resources import AuthorBody, MessageBody, Version
from gateway.fanout.presences import PresenceState
from gateway.fanout.typists import TypingState
from gateway.http.problem import HttpError
from gateway.limits import BAD_FRAMES_MAX

Ref = int | str | None
ConversationName = Annotated[str, Meta(min_length=1, max_length=128)]


class Close(Enum):
    """Close codes: (code, whether a client should connect again)."""

    NORMAL = (1000, False)
    RESTART = (1012, True)
    BAD_FRAMES = (4000, False)
    NO_AUTH = (4001, True)
    FORBIDDEN = (4003, False)
    TOO_SLOW = (4008, True)
    RATE = (4029, True)

    @property
    def code(self) -> int:
        """Return the number on the wire."""
        return self.value[0]

    @property
    def reconnect(self) -> bool:
        """Say whether the client should connect again by itself."""
        return self.value[1]


RETRY_AFTER_S = 2.0
"""When a client should connect again, unless it is told another moment."""


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", kw_only=True):
    """What a client may say. ``ref`` comes back on the answer."""

    ref: Ref = None


class Referring(msgspec.Struct, frozen=True):
    """The only member that is read of a frame that is wrong otherwise."""

    ref: Ref = None


class Auth(Frame, frozen=True, tag="auth"):
    """Who I am, when the Authorization header could not say it."""

    token: str


class Subscribe(Frame, frozen=True, tag="subscribe"):
    """Send me what happens in a conversation, or in the whole environment."""

    conversation: ConversationName | None = None
    events: list[str] | None = None
    after: int | float | str | None = None
    """Any position; absent = only what comes from now on."""
    epoch: str | None = None


class Unsubscribe(Frame, frozen=True, tag="unsubscribe"):
    """Send me no more of a conversation, or of the whole environment."""

    conversation: ConversationName | None = None
    events: bool | list[str] | None = None
    """Anything but ``null`` and ``false`` means the subscription to events, whatever its types."""


class MessageCreate(Frame, frozen=True, tag="message.create"):
    """Write a message; the body is that of the REST route."""

    conversation: ConversationName
    message: MessageBody


class Typing(Frame, frozen=True, tag="typing"):
    """I am writing; tell those who are here."""

    conversation: ConversationName
    state: TypingState
    author: AuthorBody | None = None
    visibility: Visibility = "public"
    """``note`` = a note is being written; only staff may say so and hear of it."""


class Presence(Frame, frozen=True, tag="presence"):
    """I am here, or away from the keyboard, or gone; tell those who are here."""

    conversation: ConversationName
    state: PresenceState
    author: AuthorBody | None = None


class Read(Frame, frozen=True, tag="read"):
    """I have read everything up to this version."""

    conversation: ConversationName
    version: Version
    author: AuthorBody | None = None


class Ping(Frame, frozen=True, tag="ping"):
    """Are you there?"""


class Pong(Frame, frozen=True, tag="pong"):
    """I am here: the answer to the server's ping; not needed, but welcome."""


class Call(Frame, frozen=True, tag="call"):
    """Any route that answers with JSON."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[str, Meta(max_length=2048)]
    body: msgspec.Raw = msgspec.Raw(b"")


AnyFrame = (
    Auth | Subscribe | Unsubscribe | MessageCreate | Typing | Presence | Read | Ping | Pong | Call
)


class Phase(Enum):
    """Where a dialogue stands."""

    NEW = "new"
    READY = "ready"
    ENDED = "ended"


_ALWAYS = frozenset[type[Any]]({Ping, Pong})
ALLOWED: dict[Phase, frozenset[type[Any]]] = {
    Phase.NEW: _ALWAYS | {Auth},
    Phase.READY: _ALWAYS | {Subscribe, Unsubscribe, MessageCreate, Typing, Presence, Read, Call},
    Phase.ENDED: frozenset(),
}
"""Any other frame is the peer's fault and becomes one error that names frame and phase."""


class BadFrameError(HttpError):
    """A frame that cannot be read, or that has no place in this phase."""

    def __init__(self, detail: str) -> None:
        """Say what is wrong with it."""
        super().__init__("bad_frame", detail)


@dataclass(slots=True)
class Dialogue:
    """The state of one connection's dialogue."""

    phase: Phase = Phase.NEW
    bad_frames: int = 0

    def check(self, frame: AnyFrame) -> None:
        """Refuse a frame that has no place here.

        Raises:
            BadFrameError: names the frame and the phase.
        """
        if type(frame) not in ALLOWED[self.phase]:
            detail = f"{_op(frame)} has no place in a connection that is {self.phase.value}"
            raise BadFrameError(detail)

    def spoiled(self) -> bool:
        """Count a bad frame; say whether that was one too many."""
        self.bad_frames += 1
        return self.bad_frames >= BAD_FRAMES_MAX


def _op(frame: AnyFrame) -> str:
    return str(frame.__struct_config__.tag)


def is_bad_frame(error: ParleyError) -> bool:
    """Say whether the error is of the dialogue, not of the command in it."""
    return isinstance(error, BadFrameError)
