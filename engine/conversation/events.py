"""What the Conversation API publishes."""

from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from engine import ids
from engine.feature import Payload, Remains

AuthorType = Literal["user", "agent", "bot", "system"]
Visibility = Literal["public", "note"]
Status = Literal["open", "closed"]
Priority = Literal["low", "normal", "high", "urgent"]
Flag = Literal["bidi_controls"]
"""``bidi_controls``: the text holds characters that change the direction it is shown in."""


class Author(msgspec.Struct, frozen=True):
    """Who wrote: ``id`` is the client's own, as it was sent."""

    type: AuthorType
    id: str


STAFF_EDITOR = Author("system", "staff")
"""Who changed a message, as far as customers are told, when it was staff."""


NOBODY = Author("system", "erased")
"""Stands where somebody stood of whom nothing is known any more."""


class OfPeople(Payload, frozen=True, kw_only=True):
    """What is sealed with the key of a customer, as long as there is one."""

    redacted: bool | UnsetType = UNSET
    """``true`` when its content was withdrawn, or its customer erased. Else absent."""


class ConversationCreated(OfPeople, frozen=True):
    """A conversation was made: by its first message, or on request."""

    type_name: ClassVar[str] = "conversation.created"

    id: str
    external_id: str | None
    requester: Author | None
    """The customer it belongs to, fixed here; ``None`` when staff began it."""
    requester_contact_id: str | None
    status: str = "open"

    @classmethod
    def tombstone(cls, remains: Remains) -> "ConversationCreated":
        """There is the conversation; whose it was is not known any more."""
        return cls(remains.name, None, None, None, redacted=True)


class OfConversation(OfPeople, frozen=True):
    """What every later event about a conversation itself says first."""

    id: str
    external_id: str | None

    @classmethod
    def tombstone(cls, remains: Remains) -> "OfConversation":
        """It has happened."""
        return cls(remains.name, None, redacted=True)


class ConversationUpdated(OfConversation, frozen=True):
    """Staff set fields of a conversation."""

    type_name: ClassVar[str] = "conversation.updated"

    changes: dict[str, Any]
    """Field → new value; ``attributes`` holds only the names that were set, ``null`` = removed."""
    previous: dict[str, Any]
    """The same fields as they were before."""

    @classmethod
    def tombstone(cls, remains: Remains) -> "ConversationUpdated":
        """Something was set."""
        return cls(remains.name, None, {}, {}, redacted=True)


class ConversationClosed(OfConversation, frozen=True):
    """The matter is settled."""

    type_name: ClassVar[str] = "conversation.closed"


class ConversationReopened(OfConversation, frozen=True):
    """It is not settled after all: staff opened it again, or the customer wrote."""

    type_name: ClassVar[str] = "conversation.reopened"


class ConversationAssigned(OfConversation, frozen=True):
    """Somebody is responsible for it now."""

    type_name: ClassVar[str] = "conversation.assigned"

    assignee: Author
    previous: Author | None

    @classmethod
    def tombstone(cls, remains: Remains) -> "ConversationAssigned":
        """Somebody was made responsible."""
        return cls(remains.name, None, NOBODY, None, redacted=True)


class ConversationUnassigned(OfConversation, frozen=True):
    """Nobody is responsible for it any more."""

    type_name: ClassVar[str] = "conversation.unassigned"

    previous: Author

    @classmethod
    def tombstone(cls, remains: Remains) -> "ConversationUnassigned":
        """Somebody was responsible no more."""
        return cls(remains.name, None, NOBODY, redacted=True)


class ConversationTagged(OfConversation, frozen=True):
    """Its tags are others now."""

    type_name: ClassVar[str] = "conversation.tagged"

    tags: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @classmethod
    def tombstone(cls, remains: Remains) -> "ConversationTagged":
        """The tags were changed."""
        return cls(remains.name, None, (), (), (), redacted=True)


class MessageCreated(OfPeople, frozen=True):
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
    flags: tuple[Flag, ...] | UnsetType = UNSET
    """What a reader should know before it shows the text; absent if there is nothing."""

    def for_customers(self) -> "MessageCreated":
        """A bot's reasoning stands in its metadata, and is for staff."""
        if self.author.type != "bot" or not self.metadata:
            return self
        return msgspec.structs.replace(self, metadata={})

    def withdrawn(self) -> "MessageCreated":
        """Return the message without what it said."""
        return msgspec.structs.replace(self, text="", metadata={}, flags=UNSET, redacted=True)

    @classmethod
    def tombstone(cls, remains: Remains) -> "MessageCreated":
        """Somebody wrote something."""
        return cls(
            remains.name, None, NOBODY, None, "text", "", _visibility(remains), redacted=True
        )


class OfMessage(OfPeople, frozen=True):
    """What every later event about a message says first."""

    conversation_id: str
    conversation_external_id: str | None
    message_id: str
    author: Author
    """Who wrote the message."""
    contact_id: str | None
    """TypeID of that author when it is a customer."""
    editor: Author
    """Who changed it."""
    visibility: Visibility

    def for_customers(self) -> "OfMessage":
        """Who of staff changed it is among staff; a customer's own change is the customer's."""
        if self.editor.type == "user":
            return self
        return msgspec.structs.replace(self, editor=STAFF_EDITOR)

    def about(self) -> bytes | None:
        """Return the UUID of the message: that of its ``message.created``."""
        return ids.uuid_of(ids.MESSAGE, self.message_id)

    @classmethod
    def tombstone(cls, remains: Remains) -> "OfMessage":
        """The message was changed."""
        return cls(**_of_message(remains), redacted=True)


class MessageUpdated(OfMessage, frozen=True):
    """A message has another text, or staff noted something with it."""

    type_name: ClassVar[str] = "message.updated"

    changed: tuple[Literal["text", "metadata"], ...]
    number: int
    """1 for the first change of the text, 2 for the second…; metadata alone counts for itself."""
    text: str | None = None
    """The new text; ``None`` = as it was."""
    metadata: dict[str, Any] | None = None
    """The new metadata, which only staff sees; ``None`` = as it was."""
    flags: tuple[Flag, ...] | UnsetType = UNSET

    def for_customers(self) -> OfMessage:
        """What staff and bots note with a message is among them, like who of them changed it."""
        shown = super().for_customers()
        return msgspec.structs.replace(shown, metadata=None, changed=("text",))

    def withdrawn(self) -> "MessageUpdated":
        """Return the change without what it said."""
        return msgspec.structs.replace(self, text=None, metadata=None, flags=UNSET, redacted=True)

    @classmethod
    def tombstone(cls, remains: Remains) -> "MessageUpdated":
        """It was another text, or another note with it."""
        return cls(**_of_message(remains), changed=("text",), number=0, redacted=True)


class MessageRedacted(OfMessage, frozen=True):
    """A message's content was withdrawn: no door shows it any more."""

    type_name: ClassVar[str] = "message.redacted"
    withdraws: ClassVar[bool] = True


class ParticipantAdded(OfPeople, frozen=True):
    """Somebody takes part from now on, without having written yet."""

    type_name: ClassVar[str] = "participant.added"

    conversation_id: str
    conversation_external_id: str | None
    participant: Author
    contact_id: str | None
    visibility: Visibility
    """``note`` when customers do not know of it: an agent who has not spoken to them."""

    @classmethod
    def tombstone(cls, remains: Remains) -> "ParticipantAdded":
        """Somebody came, or went."""
        return cls(remains.name, None, NOBODY, None, _visibility(remains), redacted=True)


class ParticipantRemoved(ParticipantAdded, frozen=True):
    """Somebody takes part no more; a customer no longer sees the conversation."""

    type_name: ClassVar[str] = "participant.removed"


class MarksAdvanced(OfPeople, frozen=True):
    """Somebody has read a conversation up to a version. It stands in a stream of its own."""

    type_name: ClassVar[str] = "marks.advanced"

    conversation_id: str
    reader: Author
    contact_id: str | None
    version: int

    @classmethod
    def tombstone(cls, remains: Remains) -> "MarksAdvanced":
        """Somebody read something."""
        return cls(remains.name, NOBODY, None, 0, redacted=True)


class UserCreated(OfPeople, frozen=True):
    """An account's key wrote as this customer for the first time; it owns the customer now."""

    type_name: ClassVar[str] = "user.created"

    id: str
    external_id: str | None
    account_id: str

    @classmethod
    def tombstone(cls, remains: Remains) -> "UserCreated":
        """Nobody owns this customer any more."""
        return cls(remains.name, None, "", redacted=True)


def _visibility(remains: Remains) -> Visibility:
    return "public" if remains.public else "note"


def _of_message(remains: Remains) -> dict[str, Any]:
    """Return what every event about a message says first, as far as it is known."""
    return {
        "conversation_id": remains.name,
        "conversation_external_id": None,
        "message_id": ids.type_id(ids.MESSAGE, remains.about or bytes(16)),
        "author": NOBODY,
        "contact_id": None,
        "editor": NOBODY,
        "visibility": _visibility(remains),
    }


EVENTS = (
    ConversationCreated,
    ConversationUpdated,
    ConversationClosed,
    ConversationReopened,
    ConversationAssigned,
    ConversationUnassigned,
    ConversationTagged,
    MessageCreated,
    MessageUpdated,
    MessageRedacted,
    ParticipantAdded,
    ParticipantRemoved,
    MarksAdvanced,
    UserCreated,
)
