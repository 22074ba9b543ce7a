"""What the actors of this feature may be asked."""

from dataclasses import dataclass
from typing import Any

from engine.conversation.access import Viewer
from engine.conversation.events import Author, Visibility


@dataclass(frozen=True, slots=True)
class ParentHeader:
    """The message a reply answers, read by its id before the command is decided."""

    id: str
    note: bool


@dataclass(frozen=True, slots=True)
class PostMessage:
    """Write a message; make the conversation with it when the key may."""

    viewer: Viewer
    author: Author
    contact_id: str | None
    type: str
    text: str
    visibility: Visibility
    metadata: dict[str, Any]
    parent: ParentHeader | None = None
    create_as: str | None = None
    """The external id of the conversation this message may make; ``None`` = it must exist."""
    expected_version: int | None = None
    """Refuse if anything new that this author may see came after this version."""
    if_match: int | None = None
    """Refuse unless the conversation, as this author sees it, is at this version."""


@dataclass(frozen=True, slots=True)
class ClaimUser:
    """Say that an account's key writes as this customer."""

    external_id: str | None
    account_id: str
