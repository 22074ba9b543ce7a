"""What the actors of this feature may be asked."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from engine.conversation.access import Viewer
from engine.conversation.events import Author, Flag, Priority, Status, Visibility


class ParentHeader(msgspec.Struct, frozen=True):
    """The message a reply answers, read by its id before the command is decided."""

    id: str
    note: bool


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What every command about a conversation carries."""

    viewer: Viewer
    expected_version: int | None = None
    """Refuse if something that conflicts with the command came after this version."""
    if_match: int | None = None
    """Refuse unless the resource, as this viewer sees it, is at this version."""


class PostMessage(Command, frozen=True, kw_only=True):
    """Write a message; make the conversation with it when the key may."""

    author: Author
    contact_id: str | None
    type: str
    text: str
    visibility: Visibility
    metadata: dict[str, Any]
    flags: tuple[Flag, ...] = ()
    parent: ParentHeader | None = None
    create_as: str | None = None
    """The external id of the conversation this message may make; ``None`` = it must exist."""


class Changes(msgspec.Struct, frozen=True):
    """Fields to set; what is ``UNSET`` stays as it is."""

    status: Status | UnsetType = UNSET
    assignee: Author | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    channel: str | UnsetType | None = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET
    """Merged into what is there (RFC 7396): ``None`` removes a name."""


class CreateConversation(Command, frozen=True, kw_only=True):
    """Make a conversation without a message."""

    external_id: str | None
    requester: Author | None
    contact_id: str | None
    changes: Changes = msgspec.field(default_factory=Changes)


class ChangeConversation(Command, frozen=True, kw_only=True):
    """Set fields of a conversation."""

    changes: Changes


class AddParticipant(Command, frozen=True, kw_only=True):
    """Let somebody take part."""

    participant: Author
    contact_id: str | None


class RemoveParticipant(Command, frozen=True, kw_only=True):
    """Let somebody take part no more."""

    participant: Author
    contact_id: str | None


class MessageHeader(msgspec.Struct, frozen=True):
    """A message to be changed, read by its id before the command is decided."""

    id: str
    uuid: bytes
    author: Author
    contact_id: str | None
    visibility: Visibility
    version: int
    """Of its newest change that staff sees; of the message itself if it was never changed."""
    public_version: int
    redacted: bool
    rewritten: int
    annotated: int
    read_at: int
    """The version the conversation had, at least, when this was read."""


class EditMessage(Command, frozen=True, kw_only=True):
    """Give a message another text, or note something with it."""

    target: MessageHeader
    editor: Author
    text: str | None = None
    flags: tuple[Flag, ...] = ()
    metadata: dict[str, Any] | None = None


class RedactMessage(Command, frozen=True, kw_only=True):
    """Withdraw what a message says."""

    target: MessageHeader
    editor: Author


AnyCommand = (
    PostMessage
    | CreateConversation
    | ChangeConversation
    | AddParticipant
    | RemoveParticipant
    | EditMessage
    | RedactMessage
)


class ClaimUser(msgspec.Struct, frozen=True):
    """Say that an account's key writes as this customer."""

    external_id: str | None
    account_id: str


class AdvanceMark(msgspec.Struct, frozen=True):
    """Say that somebody has read a conversation up to a version."""

    reader: Author
    contact_id: str | None
    version: int
