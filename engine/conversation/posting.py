"""The rules of writing: a message, and the conversation it may make. Pure."""

from msgspec import UNSET

from engine.conversation.access import check_visible, not_found
from engine.conversation.changing import check_room, opening
from engine.conversation.commands import CreateConversation, ParentHeader, PostMessage
from engine.conversation.conflicts import check_expected, check_if_match
from engine.conversation.events import (
    ConversationCreated,
    ConversationReopened,
    MessageCreated,
    ParticipantAdded,
)
from engine.conversation.state import ConversationState
from engine.errors import BadParentError, ConflictError
from engine.feature import Payload


def post(state: ConversationState, command: PostMessage) -> tuple[Payload, ...]:
    """Return the events of a message; a customer's opens a closed conversation again."""
    first: tuple[Payload, ...] = ()
    if not state.created:
        first = _created(state, command)
    else:
        check_visible(state, command.viewer)
        if state.status == "closed":
            first = _reopened(state, command)
    staff = command.viewer.staff
    if command.if_match is not None:
        check_if_match(command.if_match, current=state.visible_version(staff=staff))
    if command.expected_version is not None:
        check_expected(state, command.expected_version, ("message",), staff=staff)
    if command.parent is not None:
        _check_parent(command.parent, command)
    check_room(state, command.author, command.contact_id)
    return (*first, _message(state, command))


def create(state: ConversationState, command: CreateConversation) -> tuple[Payload, ...]:
    """Return the events that make a conversation without a message.

    Raises:
        ConflictError: it is there already, and the viewer may know it.
        NotFoundError: it is there, and another's.
    """
    if state.created:
        check_visible(state, command.viewer)
        detail = "this conversation is there already"
        raise ConflictError(detail, members={"conversation_id": state.name})
    requester, external_id = command.requester, command.external_id
    made: list[Payload] = [
        ConversationCreated(
            id=state.name,
            external_id=external_id,
            requester=requester,
            requester_contact_id=command.contact_id if requester else None,
        )
    ]
    if requester:
        contact_id = command.contact_id
        made.append(ParticipantAdded(state.name, external_id, requester, contact_id, "public"))
    return (*made, *opening(state, external_id, command.changes))


def _created(state: ConversationState, command: PostMessage) -> tuple[Payload, ...]:
    if command.create_as is None:
        raise not_found()
    requester = command.author if command.author.type == "user" else None
    return (
        ConversationCreated(
            id=state.name,
            external_id=command.create_as,
            requester=requester,
            requester_contact_id=command.contact_id if requester else None,
        ),
    )


def _reopened(state: ConversationState, command: PostMessage) -> tuple[Payload, ...]:
    if command.author.type != "user" or command.visibility == "note":
        return ()
    return (ConversationReopened(state.name, state.external_id),)


def _check_parent(parent: ParentHeader, command: PostMessage) -> None:
    if parent.note and command.visibility == "public":
        detail = "a public message cannot answer a private note: customers would learn of it"
        raise BadParentError(detail)


def _message(state: ConversationState, command: PostMessage) -> MessageCreated:
    return MessageCreated(
        conversation_id=state.name,
        conversation_external_id=state.external_id or command.create_as,
        author=command.author,
        contact_id=command.contact_id,
        type=command.type,
        text=command.text,
        visibility=command.visibility,
        parent_id=command.parent.id if command.parent else None,
        metadata=command.metadata,
        flags=command.flags or UNSET,
    )
