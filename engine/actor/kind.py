"""What makes an actor of one kind: its rules, as plain functions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from engine.feature import Payload
from engine.log.event import PUBLIC, Event


@dataclass(slots=True)
class StreamState:
    """What every actor knows of its stream. Kinds add fields; only ``apply`` writes them."""

    name: str
    version: int = 0
    last_public_version: int = 0
    last_time_ms: int = field(default=0)

    def visible_version(self, *, staff: bool) -> int:
        """Return the version of the newest event this audience may see."""
        return self.version if staff else self.last_public_version


@dataclass(frozen=True, slots=True)
class Form:
    """How the state of a kind becomes the bytes of a snapshot, and back."""

    schema: int
    """One more with every change of the state's fields, or of what ``apply`` makes of an event that
    is in somebody's log already: snapshots of another schema are passed over."""
    owner: Callable[[Any], str]
    """The stream's own data subject, whose key seals the snapshot."""
    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]
    """Raises ``msgspec.MsgspecError`` for bytes of another shape."""


def form_of(state: type[StreamState], *, schema: int, owner: Callable[[Any], str]) -> Form:
    """Return the form of a state whose fields are all typed: MessagePack, field by field."""
    decoder = msgspec.msgpack.Decoder(state)
    return Form(schema, owner, msgspec.msgpack.Encoder().encode, decoder.decode)


@dataclass(frozen=True, slots=True)
class Kind:
    """The rules of one kind of stream.

    ``decide`` may refuse but changes nothing; ``apply`` may change the state but not refuse.
    Neither awaits, reads a clock, draws a random number or logs.
    """

    name: str
    initial: Callable[[str], Any]
    decide: Callable[[Any, Any], tuple[Payload, ...]]
    apply: Callable[[Any, Event], None]
    subject: Callable[[Any, Payload], str]
    """Whose key seals the payload."""
    staff_only: Callable[[Payload], bool]
    """Whether a customer must never learn of the event."""
    form: Form | None = None
    """``None`` for streams that stay short: they are replayed and leave no snapshot."""

    def advance(self, state: StreamState, event: Event) -> None:
        """Bring ``state`` behind ``event``: what every kind knows of it, and this one."""
        self.apply(state, event)
        state.version = event.version
        state.last_time_ms = event.time_ms
        if event.visibility == PUBLIC:
            state.last_public_version = event.version
