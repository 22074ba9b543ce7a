"""The shapes in which the Conversation API answers, for handlers and for the documentation."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from engine.conversation.events import (
    Author,
    AuthorType,
    Flag,
    Priority,
    Status,
    Visibility,
)
from engine.conversation.revisions import Revised
from engine.conversation.state import ConversationView
from engine.events.envelope import data_of, rfc3339
from engine.limits import EXTERNAL_ID_CHARACTERS_MAX, TAG_CHARACTERS_MAX, TAGS_MAX
from engine.log.event import Event
from engine.log.log import Log
from gateway.api.contract import Body

READ = ("conversation:read",)
WRITE = ("conversation:write",)
"""The scopes of the routes, and of the frames that do the same."""

Version = Annotated[int, Meta(ge=0, le=2**53)]
Tag = Annotated[str, Meta(min_length=1, max_length=TAG_CHARACTERS_MAX)]


class AuthorBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who writes; left out, it is the key's own subject."""

    type: AuthorType
    id: Annotated[str, Meta(min_length=1, max_length=EXTERNAL_ID_CHARACTERS_MAX)]


class AssigneeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is responsible: an agent or a bot."""

    type: Literal["agent", "bot"]
    id: Annotated[str, Meta(min_length=1, max_length=EXTERNAL_ID_CHARACTERS_MAX)]


class CustomerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A customer."""

    type: Literal["user"]
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


class MessagePatch(Body, frozen=True, kw_only=True):
    """What is changed on a message; what is left out stays as it is."""

    text: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    metadata: Annotated[
        dict[str, Any] | UnsetType, Meta(description="In place of what is there; for staff alone.")
    ] = UNSET
    author: Annotated[
        AuthorBody | None, Meta(description="Who changes it; left out, the key's own subject.")
    ] = None
    expected_version: Annotated[
        Version | None, Meta(description="Refuse if the message was changed after this version.")
    ] = None


class ConversationFields(Body, frozen=True, kw_only=True):
    """What staff sorts a conversation by."""

    status: Status | UnsetType = UNSET
    assignee: AssigneeBody | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    channel: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType | None = UNSET
    tags: Annotated[list[Tag], Meta(max_length=TAGS_MAX)] | UnsetType = UNSET
    attributes: Annotated[
        dict[str, Any] | UnsetType,
        Meta(description="Merged into what is there (RFC 7396): `null` removes a name."),
    ] = UNSET


class ConversationPatch(ConversationFields, frozen=True, kw_only=True):
    """What is changed on a conversation; what is left out stays as it is."""

    expected_version: Annotated[
        Version | None, Meta(description="Refuse if what is changed here was touched after it.")
    ] = None


class ConversationBody(ConversationFields, frozen=True, kw_only=True):
    """A conversation to be made before anything is said in it."""

    external_id: (
        Annotated[str, Meta(min_length=1, max_length=EXTERNAL_ID_CHARACTERS_MAX)] | None
    ) = None
    requester: CustomerBody | None = None


class ParticipantBody(Body, frozen=True, kw_only=True):
    """Who is to take part."""

    type: AuthorType
    id: Annotated[str, Meta(min_length=1, max_length=EXTERNAL_ID_CHARACTERS_MAX)]
    expected_version: Version | None = None


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
    revision: int
    """The version of its newest change; its own version if it was never changed."""
    edited_at: str | None
    editor: Author | None
    """Who made the newest change."""
    flags: tuple[Flag, ...] | UnsetType = UNSET
    redacted: bool | UnsetType = UNSET


class Conversation(msgspec.Struct, frozen=True):
    """A conversation as the asking key may see it."""

    id: str
    external_id: str | None
    status: str
    requester: Author | None
    participants: tuple[Author, ...]
    assignee: Author | None
    priority: Priority | None
    channel: str | None
    tags: tuple[str, ...]
    attributes: dict[str, Any]
    version: int
    epoch: str
    created_at: str
    updated_at: str


class ConversationPage(msgspec.Struct, frozen=True):
    """Conversations, in the order that was asked for."""

    data: list[Conversation]
    next: str | None


class ConversationCount(msgspec.Struct, frozen=True):
    """How many conversations share one value."""

    value: str | Author | None
    """A status, or who is responsible; ``null`` = nobody."""
    count: int


class ConversationCounts(msgspec.Struct, frozen=True):
    """How many conversations there are of each kind, the most first."""

    by: Literal["status", "assignee"]
    data: list[ConversationCount]


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


class RevisionDocument(msgspec.Struct, frozen=True):
    """What a message said behind one of its changes."""

    revision: int
    text: str
    metadata: dict[str, Any]
    redacted: bool
    editor: Author
    event_id: str
    changed_at: str


class History(msgspec.Struct, frozen=True):
    """A message as it was written, and behind each of its changes."""

    data: list[RevisionDocument]
    next: None


class Participants(msgspec.Struct, frozen=True):
    """Who takes part, as far as the asking key may know."""

    data: list[Author]
    next: None


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
        "revision": event.version,
        "edited_at": None,
        "editor": None,
    }
    return _with_place(data_of(event, audience), place)


def revised_json(log: Log, message: Revised, audience: str) -> bytes:
    """Return the JSON of a message as it is after its changes."""
    event, change = message.event, message.changed_by
    if change is None:
        return message_json(log, event, audience)
    said = msgspec.structs.replace(
        event.payload,
        text=message.text,
        metadata=message.metadata,
        flags=message.flags,
        redacted=message.redacted or UNSET,
    )
    place = {
        "version": event.version,
        "epoch": log.epoch,
        "cursor": log.cursor_of(event),
        "event_id": event.id,
        "created_at": rfc3339(event.time_ms),
        "revision": message.revision,
        "edited_at": rfc3339(change.time_ms),
        "editor": message.editor,
    }
    identity = f'{{"id":"{event.resource_id}",'.encode()
    return _with_place(identity + msgspec.json.encode(said)[1:], place)


def history_json(revisions: list[Revised]) -> bytes:
    """Return the JSON of everything a message has said."""
    documents = [
        RevisionDocument(
            revision=one.revision,
            text=one.text,
            metadata=one.metadata,
            redacted=one.redacted,
            editor=one.editor,
            event_id=(one.changed_by or one.event).id,
            changed_at=rfc3339((one.changed_by or one.event).time_ms),
        )
        for one in revisions
    ]
    return msgspec.json.encode(History(documents, None))


def _with_place(data: bytes, place: dict[str, Any]) -> bytes:
    return data[:-1] + b"," + msgspec.json.encode(place)[1:]


def conversation_json(log: Log, seen: ConversationView) -> bytes:
    """Return a conversation's JSON."""
    return msgspec.json.encode(
        Conversation(
            id=seen.id,
            external_id=seen.external_id,
            status=seen.status,
            requester=seen.requester,
            participants=seen.participants,
            assignee=seen.assignee,
            priority=seen.priority,
            channel=seen.channel,
            tags=seen.tags,
            attributes=dict(seen.attributes),
            version=seen.version,
            epoch=log.epoch,
            created_at=rfc3339(seen.created_ms),
            updated_at=rfc3339(seen.updated_ms),
        )
    )


def page_json(items: list[bytes], following: str | None) -> bytes:
    """Return a page around items that are JSON already."""
    return b'{"data":[' + b",".join(items) + b'],"next":' + msgspec.json.encode(following) + b"}"
