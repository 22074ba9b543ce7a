"""Conversations built from what has happened, and messages to decide on. No trio."""

from collections.abc import Iterable
from typing import Any, Literal

from msgspec.structs import replace

from engine import ids
from engine.conversation.access import Viewer
from engine.conversation.commands import (
    AnyCommand,
    ChangeConversation,
    Changes,
    EditMessage,
    MessageHeader,
    ParentHeader,
    PostMessage,
    RedactMessage,
)
from engine.conversation.events import (
    EVENTS,
    Author,
    ConversationCreated,
    MessageCreated,
    MessageRedacted,
    MessageUpdated,
    Visibility,
)
from engine.conversation.revisions import header
from engine.conversation.state import ConversationState
from engine.conversation.transitions import KIND, decide
from engine.feature import Catalogue, Payload, encode
from engine.log.event import PUBLIC, STAFF_ONLY, Event
from persistence.records import Stream

CONVERSATION = "conv_01kapddvqjf8v8v1jt4zx8z7g0"
CUSTOMER = Author("user", "usr_45")
CUSTOMER_CONTACT = "usr_01kapddvqjf8v8v1jt4zx8z7g0"
AGENT = Author("agent", "ada")
STAFF = Viewer(staff=True)
ITSELF = Viewer(staff=False, contact_id=CUSTOMER_CONTACT)

CATALOGUE: Catalogue = {kind.type_name: kind for kind in EVENTS}

CREATED = ConversationCreated(CONVERSATION, "conv_123", CUSTOMER, CUSTOMER_CONTACT)


def said(text: str = "Hello", *, author: Author = CUSTOMER) -> MessageCreated:
    """Return a public message; the customer's carry its contact."""
    return _written(text, author, "public")


def noted(text: str = "careful", *, author: Author = AGENT) -> MessageCreated:
    """Return a private note."""
    return _written(text, author, "note")


def post(
    viewer: Viewer = STAFF,
    *,
    author: Author = AGENT,
    visibility: Visibility = "public",
    create_as: str | None = None,
    expected_version: int | None = None,
    if_match: int | None = None,
) -> PostMessage:
    """Return the command to write a message."""
    return PostMessage(
        viewer=viewer,
        author=author,
        contact_id=CUSTOMER_CONTACT if author == CUSTOMER else None,
        type="text",
        text="Hello",
        visibility=visibility,
        metadata={},
        create_as=create_as,
        expected_version=expected_version,
        if_match=if_match,
    )


def answering(command: PostMessage, *, note: bool) -> PostMessage:
    """Return ``command`` as an answer to a message or a note."""
    return replace(command, parent=ParentHeader("msg_parent", note=note))


def given(*payloads: Payload, actor: str = "key_1") -> ConversationState:
    """Return the state of a conversation in which ``payloads`` have happened, in this order."""
    state: ConversationState = KIND.initial(CONVERSATION)
    happen(state, payloads, actor=actor)
    return state


def happen(
    state: ConversationState, payloads: Iterable[Payload], *, actor: str = "key_1"
) -> list[Event]:
    """Bring ``state`` behind ``payloads`` as its actor does, and return their events."""
    events = []
    for payload in payloads:
        event = Event(
            stream=Stream("conversation", state.name),
            version=state.version + 1,
            uuid=(state.version + 1).to_bytes(16),
            type=payload.type_name,
            schema=payload.schema,
            time_ms=1_000 * (state.version + 1),
            visibility=STAFF_ONLY if KIND.staff_only(payload) else PUBLIC,
            previous_public=state.last_public_version,
            actor=actor,
            subject=KIND.subject(state, payload),
            data=encode(payload),
            payload=payload,
            catalogue=CATALOGUE,
            about=payload.about(),
        )
        KIND.advance(state, event)
        events.append(event)
    return events


def done(
    state: ConversationState, command: AnyCommand, *, actor: str = "key_1"
) -> tuple[Payload, ...]:
    """Decide on ``command`` and bring ``state`` behind it."""
    payloads = decide(state, command)
    happen(state, payloads, actor=actor)
    return payloads


def changing(changes: Changes, viewer: Viewer = STAFF, **expectation: int) -> ChangeConversation:
    """Return the command to set fields."""
    return ChangeConversation(viewer=viewer, changes=changes, **expectation)


def rewritten(
    said: Event,
    text: str | None = "Better",
    metadata: dict[str, Any] | None = None,
    *,
    number: int = 1,
) -> MessageUpdated:
    """Return a change of the message that ``said`` made, by staff; ``number`` is of its sort."""
    named: dict[Literal["text", "metadata"], Any] = {"text": text, "metadata": metadata}
    changed = tuple(name for name, value in named.items() if value is not None)
    return MessageUpdated(**_of(said), changed=changed, number=number, text=text, metadata=metadata)


def withdrawn(said: Event) -> MessageRedacted:
    """Return the redaction of the message that ``said`` made, by staff."""
    return MessageRedacted(**_of(said))


def target_of(said: Event, events: Iterable[Event] = ()) -> MessageHeader:
    """Return the header of a message as it is read when all of ``events`` have happened."""
    happened = list(events)
    changes = [event for event in happened if event.about == said.uuid]
    read_at = max([said.version, *(event.version for event in happened)])
    return header(said, changes, read_at=read_at)


def edit(
    target: MessageHeader,
    viewer: Viewer = STAFF,
    *,
    text: str | None = "Better",
    metadata: dict[str, Any] | None = None,
    expected_version: int | None = None,
    if_match: int | None = None,
) -> EditMessage:
    """Return the command to change a message."""
    return EditMessage(
        viewer=viewer,
        target=target,
        editor=AGENT if viewer.staff else CUSTOMER,
        text=text,
        metadata=metadata,
        expected_version=expected_version,
        if_match=if_match,
    )


def redact(target: MessageHeader, viewer: Viewer = STAFF, **expectation: int) -> RedactMessage:
    """Return the command to withdraw a message."""
    editor = AGENT if viewer.staff else CUSTOMER
    return RedactMessage(viewer=viewer, target=target, editor=editor, **expectation)


def _of(said: Event) -> dict[str, Any]:
    message: MessageCreated = said.payload
    return {
        "conversation_id": CONVERSATION,
        "conversation_external_id": "conv_123",
        "message_id": ids.type_id(ids.MESSAGE, said.uuid),
        "author": message.author,
        "contact_id": message.contact_id,
        "editor": AGENT,
        "visibility": message.visibility,
    }


def _written(text: str, author: Author, visibility: Visibility) -> MessageCreated:
    return MessageCreated(
        conversation_id=CONVERSATION,
        conversation_external_id="conv_123",
        author=author,
        contact_id=CUSTOMER_CONTACT if author == CUSTOMER else None,
        type="text",
        text=text,
        visibility=visibility,
    )
