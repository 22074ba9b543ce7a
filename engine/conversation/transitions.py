"""What may happen to a conversation, and what then is so: the table of its rules.

``decide`` may refuse but changes nothing; ``apply`` changes ``state`` but may not refuse, since the
event has already happened. Neither awaits, reads a clock, draws a random number or logs.
"""

from typing import Any, assert_never

from engine.actor.kind import Kind, form_of
from engine.conversation import changing, editing, posting
from engine.conversation.commands import (
    AddParticipant,
    AnyCommand,
    ChangeConversation,
    CreateConversation,
    EditMessage,
    PostMessage,
    RedactMessage,
    RemoveParticipant,
)
from engine.conversation.conflicts import topics
from engine.conversation.events import (
    NOBODY,
    Author,
    ConversationAssigned,
    ConversationClosed,
    ConversationCreated,
    ConversationReopened,
    ConversationTagged,
    ConversationUnassigned,
    ConversationUpdated,
    MessageCreated,
    MessageUpdated,
    OfMessage,
    ParticipantAdded,
    ParticipantRemoved,
)
from engine.conversation.state import ConversationState, Participant, seat
from engine.feature import Payload
from engine.limits import PARTICIPANTS_MAX
from engine.log.event import PUBLIC, Event
from engine.principal import ACCOUNT_PREFIX

AMONG_STAFF = (
    ConversationAssigned,
    ConversationTagged,
    ConversationUnassigned,
    ConversationUpdated,
)
"""How staff sorts its work is staff's."""
OF_SOMEBODY = (MessageCreated, OfMessage, ParticipantAdded)
"""What names the customer it is of, and says who may see it."""


def decide(state: ConversationState, command: AnyCommand) -> tuple[Payload, ...]:
    """Return the events that ``command`` causes; none if all it asks for is so already."""
    match command:
        case PostMessage():
            return posting.post(state, command)
        case CreateConversation():
            return posting.create(state, command)
        case ChangeConversation():
            return changing.change(state, command)
        case AddParticipant():
            return changing.add_participant(state, command)
        case RemoveParticipant():
            return changing.remove_participant(state, command)
        case EditMessage():
            return editing.edit(state, command)
        case RedactMessage():
            return editing.redact(state, command)
        case _:
            assert_never(command)


def apply(state: ConversationState, event: Event) -> None:
    """Bring ``state`` behind ``event``, which has happened.

    Of an event whose customer was erased only that it has happened is left: nobody joins by it.
    """
    payload = event.payload
    match payload:
        case ConversationCreated():
            _create(state, payload, event)
        case MessageCreated(author=someone) | ParticipantAdded(participant=someone) if (
            someone == NOBODY
        ):
            pass
        case MessageCreated():
            _join(state, payload.author, payload.contact_id, event)
        case OfMessage():
            editing.remember(state, payload, event)
        case ParticipantRemoved(participant=someone):
            _leave(state, someone, payload.contact_id)
        case ParticipantAdded(participant=someone):
            _join(state, someone, payload.contact_id, event)
        case _:
            _set(state, payload)
    for topic in topics(payload):
        state.touched[topic] = event.version
    if event.visibility == PUBLIC:
        state.updated_public_ms = event.time_ms


def subject(state: ConversationState, payload: Payload) -> str:
    """Return whose key seals the payload.

    A customer's text is the customer's; staff's text belongs to the requester it was written for;
    where there is none, the conversation itself is the subject.
    """
    if isinstance(payload, OF_SOMEBODY) and payload.contact_id:
        return payload.contact_id
    if isinstance(payload, ConversationCreated):
        return payload.requester_contact_id or state.name
    return owner(state)


def owner(state: ConversationState) -> str:
    """Return the data subject of the conversation itself: its requester, if it has one."""
    return state.requester_contact_id or state.name


def staff_only(payload: Payload) -> bool:
    """Say whether customers must never learn of the event."""
    if isinstance(payload, MessageUpdated) and "text" not in payload.changed:
        return True
    if isinstance(payload, OF_SOMEBODY):
        return payload.visibility == "note"
    return isinstance(payload, AMONG_STAFF)


def _create(state: ConversationState, created: ConversationCreated, event: Event) -> None:
    state.created = True
    state.external_id = created.external_id
    state.requester = created.requester
    state.requester_contact_id = created.requester_contact_id
    state.status = created.status
    state.created_ms = event.time_ms


def _set(state: ConversationState, payload: Payload) -> None:
    match payload:
        case ConversationClosed():
            state.status = "closed"
        case ConversationReopened():
            state.status = "open"
        case ConversationAssigned(assignee=assignee):
            state.assignee = None if assignee == NOBODY else assignee
        case ConversationUnassigned():
            state.assignee = None
        case ConversationTagged(tags=tags):
            state.tags = tags
        case ConversationUpdated(changes=changes):
            _update(state, changes)
        case _:
            pass


def _update(state: ConversationState, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if name == "attributes" and isinstance(value, dict):
            state.attributes = changing.merged(state.attributes, value)
        elif name in changing.PLAIN_FIELDS:
            setattr(state, name, value)


def _leave(state: ConversationState, who: Author, contact_id: str | None) -> None:
    name = seat(who, contact_id)
    found = state.participants.pop(name, None)
    if found is not None:
        found.left = True
        state.participants[name] = found
    gone = [name for name, someone in state.participants.items() if someone.left]
    for name in gone[:-PARTICIPANTS_MAX]:
        del state.participants[name]


def _join(state: ConversationState, who: Author, contact_id: str | None, event: Event) -> None:
    """Writing makes one take part; a public word makes it known to customers.

    Who comes back joined when it first did: an account that claimed it since sees no more by that.
    """
    name = seat(who, contact_id)
    found = state.participants.get(name)
    if found is None:
        found = Participant(who, contact_id, account=None, joined_ms=event.time_ms, public=False)
        state.participants[name] = found
    known = found.public and not found.left
    found.left = False
    found.public = known or event.visibility == PUBLIC
    if event.actor.startswith(ACCOUNT_PREFIX):
        found.account = found.account or event.actor


KIND = Kind(
    name="conversation",
    initial=ConversationState,
    decide=decide,
    apply=apply,
    subject=subject,
    staff_only=staff_only,
    form=form_of(ConversationState, schema=1, owner=owner),
)
