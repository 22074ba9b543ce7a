"""What the actor of one conversation knows. Small: nothing in it grows with the messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.actor.kind import StreamState
from engine.conversation.events import Author, Priority


@dataclass(slots=True)
class Participant:
    """Somebody who takes part in the conversation."""

    author: Author
    contact_id: str | None
    account: str | None
    joined_ms: int
    """When it first wrote or was added (record time, Unix milliseconds)."""
    public: bool
    """Whether a customer may know of it: not of an agent who only left notes."""
    left: bool = False
    """Whether it takes part no more; who comes back joined when it first did."""


@dataclass(frozen=True, slots=True)
class Revision:
    """Where a message stands after its newest change."""

    version: int
    """Of the newest change that staff sees."""
    public_version: int
    """Of the newest change that customers see; 0 if they see none."""
    redacted: bool
    rewritten: int
    """How often its text was changed."""
    annotated: int
    """How often only its metadata was set."""


@dataclass(slots=True)
class ConversationState(StreamState):
    """Changed by ``transitions.apply`` alone."""

    created: bool = False
    external_id: str | None = None
    requester: Author | None = None
    requester_contact_id: str | None = None
    status: str = "open"
    assignee: Author | None = None
    priority: Priority = "normal"
    channel: str | None = None
    tags: tuple[str, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    created_ms: int = 0
    updated_public_ms: int = 0
    participants: dict[str, Participant] = field(default_factory=dict)
    """By ``seat``; also those who left last, so that whoever comes back has not joined anew."""
    touched: dict[str, int] = field(default_factory=dict)
    """Topic (``conflicts``) → version of the newest event that touched it."""
    revisions: dict[bytes, Revision] = field(default_factory=dict)
    """UUID of a message → its revision, for the messages that were changed last, in that order."""
    revisions_known_since: int = 0
    """A change above this version is in ``revisions``; at or below, it may have been let go."""

    def present(self) -> list[Participant]:
        """Return those who take part."""
        return [someone for someone in self.participants.values() if not someone.left]

    def taking_part(self, author: Author, contact_id: str | None) -> Participant | None:
        """Return somebody if it takes part."""
        found = self.participants.get(seat(author, contact_id))
        return None if found is None or found.left else found


def seat(author: Author, contact_id: str | None) -> str:
    """Return what somebody is known by: a customer by its contact, whatever it is called."""
    return contact_id or f"{author.type} {author.id}"


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
    public_version: int
    """The version customers see it at."""
    assignee: Author | None = None
    priority: Priority | None = None
    channel: str | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


def view(state: ConversationState, *, staff: bool) -> ConversationView:
    """Return what this audience may see of ``state``: how staff sorts its work is staff's."""
    seen = ConversationView(
        id=state.name,
        external_id=state.external_id,
        status=state.status,
        requester=state.requester,
        participants=tuple(p.author for p in state.present() if staff or p.public),
        version=state.visible_version(staff=staff),
        created_ms=state.created_ms,
        updated_ms=state.last_time_ms if staff else state.updated_public_ms,
        public_version=state.last_public_version,
    )
    if not staff:
        return seen
    return replace(
        seen,
        assignee=state.assignee,
        priority=state.priority,
        channel=state.channel,
        tags=state.tags,
        attributes=dict(state.attributes),
    )
