"""What the actor of one conversation knows. Small: nothing in it grows with the messages."""

from dataclasses import dataclass, field

from engine.actor.kind import StreamState
from engine.conversation.events import Author


@dataclass(slots=True)
class Participant:
    """Somebody who wrote in the conversation."""

    author: Author
    contact_id: str | None
    account: str | None
    joined_ms: int
    """When it first wrote (record time, Unix milliseconds)."""
    public: bool
    """Whether a customer may know of it: not of an agent who only left notes."""


@dataclass(slots=True)
class ConversationState(StreamState):
    """Changed by ``transitions.apply`` alone."""

    created: bool = False
    external_id: str | None = None
    requester: Author | None = None
    requester_contact_id: str | None = None
    status: str = "open"
    created_ms: int = 0
    updated_public_ms: int = 0
    participants: dict[tuple[str, str], Participant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation as one audience may see it: a value that no later event changes."""

    id: str
    external_id: str | None
    status: str
    requester: Author | None
    participants: tuple[Author, ...]
    version: int
    created_ms: int
    updated_ms: int


def view(state: ConversationState, *, staff: bool) -> ConversationView:
    """Return what this audience may see of ``state``."""
    return ConversationView(
        id=state.name,
        external_id=state.external_id,
        status=state.status,
        requester=state.requester,
        participants=tuple(p.author for p in state.participants.values() if staff or p.public),
        version=state.visible_version(staff=staff),
        created_ms=state.created_ms,
        updated_ms=state.last_time_ms if staff else state.updated_public_ms,
    )
