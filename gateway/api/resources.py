"""The shapes in which the Conversation API answers, for handlers and for the documentation."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.conversation.events import Author, AuthorType, Visibility
from engine.conversation.state import ConversationView
from engine.events.envelope import data_of, rfc3339
from engine.limits import EXTERNAL_ID_CHARACTERS_MAX
from engine.log.event import Event
from engine.log.log import Log
from gateway.api.contract import Body

Version = Annotated[int, Meta(ge=0, le=2**53)]


class AuthorBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who writes; left out, it is the key's own subject."""

    type: AuthorType
    id: Annotated[str, Meta(min_length=1, max_length=EXTERNAL_ID_CHARACTERS_MAX)]


class MessageBody(Body, frozen=True, kw_only=True):
    """A message to be written."""

    text: Annotated[str, Meta(min_length=1)]
    author: AuthorBody | None = None
    type: Annotated[str, Meta(pattern="^text$", description="Only `text` so far.")] = "text"
    parent_id: Annotated[str, Meta(max_length=64)] | None = None
    visibility: Visibility = "public"
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    expected_version: Annotated[
        Version | None,
        Meta(description="Refuse if anything new that the author may see came after it."),
    ] = None


class Message(msgspec.Struct, frozen=True):
    """A message, as it stands in its event, with its place."""

    id: str
    conversation_id: str
    conversation_external_id: str | None
    author: Author
    contact_id: str | None
    type: str
    text: str
    visibility: Visibility
    parent_id: str | None
    metadata: dict[str, Any]
    version: int
    epoch: str
    cursor: str
    event_id: str
    created_at: str


class Conversation(msgspec.Struct, frozen=True):
    """A conversation as the asking key may see it."""

    id: str
    external_id: str | None
    status: str
    requester: Author | None
    participants: tuple[Author, ...]
    version: int
    epoch: str
    created_at: str
    updated_at: str


class EventDocument(msgspec.Struct, frozen=True):
    """An event: the same bytes at every door."""

    type: str
    id: str
    data: dict[str, Any]
    time: str
    conversation: str | None
    version: int
    previous: int
    cursor: str
    schema: int
    actor: str
    idempotency_key: str
    causation_id: str | None = None
    traceparent: str | None = None


class MessagePage(msgspec.Struct, frozen=True):
    """Messages, oldest first."""

    data: list[Message]
    next: str | None


class EventPage(msgspec.Struct, frozen=True):
    """Events, oldest first."""

    data: list[EventDocument]
    next: str | None


def message_json(log: Log, event: Event, audience: str) -> bytes:
    """Return a message's JSON: the event's data with its place spliced behind it."""
    place = {
        "version": event.version,
        "epoch": log.epoch,
        "cursor": log.cursor_of(event),
        "event_id": event.id,
        "created_at": rfc3339(event.time_ms),
    }
    return data_of(event, audience)[:-1] + b"," + msgspec.json.encode(place)[1:]


def conversation_json(log: Log, seen: ConversationView) -> bytes:
    """Return a conversation's JSON."""
    return msgspec.json.encode(
        Conversation(
            id=seen.id,
            external_id=seen.external_id,
            status=seen.status,
            requester=seen.requester,
            participants=seen.participants,
            version=seen.version,
            epoch=log.epoch,
            created_at=rfc3339(seen.created_ms),
            updated_at=rfc3339(seen.updated_ms),
        )
    )


def page_json(items: list[bytes], following: str | None) -> bytes:
    """Return a page around items that are JSON already."""
    return b'{"data":[' + b",".join(items) + b'],"next":' + msgspec.json.encode(following) + b"}"
