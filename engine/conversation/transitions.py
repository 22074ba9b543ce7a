"""The rules of a conversation. Everything that can change its state is in this file.

``decide`` may refuse but changes nothing; ``apply`` changes ``state`` but may not refuse, since the
event has already happened. Neither awaits, reads a clock, draws a random number or logs.
"""

from engine.actor.kind import Kind
from engine.conversation.access import check_visible, not_found
from engine.conversation.commands import PostMessage
from engine.conversation.events import Author, ConversationCreated, MessageCreated
from engine.conversation.state import ConversationState, Participant
from engine.errors import BadParentError, BadVersionError, ConflictError, VersionConflictError
from engine.feature import Payload
from engine.limits import PARTICIPANTS_MAX
from engine.log.event import PUBLIC, Event
from engine.principal import ACCOUNT_PREFIX


def decide(state: ConversationState, command: PostMessage) -> tuple[Payload, ...]:
    """Return the events that ``command`` causes."""
    created = _created(state, command)
    if not created:
        check_visible(state, command.viewer)
    _check_versions(state, command)
    _check_parent(command)
    _check_room(state, command.author)
    return (*created, _message(state, command))


def apply(state: ConversationState, event: Event) -> None:
    """Bring ``state`` behind ``event``, which has happened."""
    match event.payload:
        case ConversationCreated() as created:
            state.created = True
            state.external_id = created.external_id
            state.requester = created.requester
            state.requester_contact_id = created.requester_contact_id
            state.status = created.status
            state.created_ms = event.time_ms
        case MessageCreated() as message:
            _join(state, message, event)
        case _:
            pass
    if event.visibility == PUBLIC:
        state.updated_public_ms = event.time_ms


def subject(state: ConversationState, payload: Payload) -> str:
    """Return whose key seals the payload.

    A customer's text is the customer's; staff's text belongs to the requester it was written for;
    where there is none, the conversation itself is the subject.
    """
    if isinstance(payload, MessageCreated) and payload.contact_id is not None:
        return payload.contact_id
    if isinstance(payload, ConversationCreated):
        return payload.requester_contact_id or state.name
    return state.requester_contact_id or state.name


def staff_only(payload: Payload) -> bool:
    """Say whether customers must never learn of the event."""
    return isinstance(payload, MessageCreated) and payload.visibility == "note"


def _created(state: ConversationState, command: PostMessage) -> tuple[Payload, ...]:
    if state.created:
        return ()
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


def _check_versions(state: ConversationState, command: PostMessage) -> None:
    current = state.visible_version(staff=command.viewer.staff)
    if command.if_match is not None and command.if_match != current:
        detail = "the conversation is not at the version in If-Match"
        raise VersionConflictError(detail, seen=command.if_match, current=current)
    expected = command.expected_version
    if expected is None:
        return
    if expected > current:
        detail = f"the conversation has no version {expected} yet"
        raise BadVersionError(detail, members={"current_version": current})
    if expected < current:
        detail = "something new was said since the version you expected"
        raise VersionConflictError(detail, seen=expected, current=current)


def _check_parent(command: PostMessage) -> None:
    if command.parent and command.parent.note and command.visibility == "public":
        detail = "a public message cannot answer a private note: customers would learn of it"
        raise BadParentError(detail)


def _check_room(state: ConversationState, author: Author) -> None:
    known = (author.type, author.id) in state.participants
    if not known and len(state.participants) >= PARTICIPANTS_MAX:
        detail = f"a conversation has at most {PARTICIPANTS_MAX} participants"
        raise ConflictError(detail)


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
    )


def _join(state: ConversationState, message: MessageCreated, event: Event) -> None:
    """Writing makes one take part; a public word makes it known to customers."""
    key = (message.author.type, message.author.id)
    found = state.participants.get(key)
    if found is None:
        found = Participant(
            message.author, message.contact_id, account=None, joined_ms=event.time_ms, public=False
        )
        state.participants[key] = found
    found.public = found.public or event.visibility == PUBLIC
    if event.actor.startswith(ACCOUNT_PREFIX):
        found.account = found.account or event.actor


KIND = Kind(
    name="conversation",
    initial=ConversationState,
    decide=decide,
    apply=apply,
    subject=subject,
    staff_only=staff_only,
)
