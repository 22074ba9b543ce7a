"""What the Conversation API publishes."""

from typing import Any, ClassVar, Literal

import msgspec

from engine.feature import Payload

AuthorType = Literal["user", "agent", "bot", "system"]
Visibility = Literal["public", "note"]


class Author(msgspec.Struct, frozen=True):
    """Who wrote: ``id`` is the client's own, as it was sent."""

    type: AuthorType
    id: str


class ConversationCreated(Payload, frozen=True):
    """A conversation was made, by its first message."""

    type_name: ClassVar[str] = "conversation.created"

    id: str
    external_id: str | None
    requester: Author | None
    """The customer it belongs to, fixed here; ``None`` when staff began it."""
    requester_contact_id: str | None
    status: str = "open"


class MessageCreated(Payload, frozen=True):
    """Somebody wrote a message or a private note."""

    type_name: ClassVar[str] = "message.created"
    resource: ClassVar[str] = "msg"

    conversation_id: str
    conversation_external_id: str | None
    author: Author
    contact_id: str | None
    """TypeID of the author when it is a customer."""
    type: str
    text: str
    visibility: Visibility = "public"
    parent_id: str | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)

    def for_customers(self) -> "MessageCreated":
        """A bot's reasoning stands in its metadata, and is for staff."""
        if self.author.type != "bot" or not self.metadata:
            return self
        return msgspec.structs.replace(self, metadata={})


class UserCreated(Payload, frozen=True):
    """An account's key wrote as this customer for the first time; it owns the customer now."""

    type_name: ClassVar[str] = "user.created"

    id: str
    external_id: str | None
    account_id: str


EVENTS = (ConversationCreated, MessageCreated, UserCreated)
