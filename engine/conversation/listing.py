"""The view that lists of conversations are made from: ids, hashes and words of the house. Pure.

It says which conversations may be meant; what each of them is, and whether somebody may see it, is
asked of its actor.
"""

from collections.abc import Sequence
from typing import Any

from engine.bus.rules import ViewRules
from engine.conversation.events import (
    Author,
    ConversationAssigned,
    ConversationClosed,
    ConversationCreated,
    ConversationReopened,
    ConversationTagged,
    ConversationUnassigned,
    ConversationUpdated,
    MessageCreated,
    ParticipantAdded,
    ParticipantRemoved,
)
from engine.ids import Veil
from engine.log.event import PUBLIC, Event
from engine.principal import ACCOUNT_PREFIX
from persistence.protocols.views import Change, Column, Declaration, Put

CONVERSATION = "conversation"
TAG = "tag"
ACCOUNT = "account"

DECLARATION = Declaration(
    name="conversations",
    schema=1,
    columns=(
        Column("status"),
        Column("priority"),
        Column("assignee"),
        Column("requester"),
        Column("created_ms", "integer"),
        Column("updated_ms", "integer"),
        Column("updated_public_ms", "integer"),
        Column("participants", many=True),
        Column("accounts", many=True),
        Column("tags", many=True),
    ),
    indexes=(
        ("updated_ms",),
        ("updated_public_ms",),
        ("status", "updated_ms"),
        ("assignee", "updated_ms"),
        ("requester", "updated_ms"),
    ),
)
"""By the TypeID of the conversation. ``updated_public_ms`` is what customers call its activity;
``accounts`` are those whose keys wrote in it, and stay though their users may have left."""


def fold(event: Event, veil: Veil) -> Sequence[Change]:
    """Return what an event changes in the row of its conversation."""
    if event.stream.kind != CONVERSATION:
        return ()
    values: dict[str, Any] = {"updated_ms": event.time_ms}
    if event.visibility == PUBLIC:
        values["updated_public_ms"] = event.time_ms
    added: dict[str, tuple[str, ...]] = {}
    removed: dict[str, tuple[str, ...]] = {}
    payload = event.payload
    match payload:
        case MessageCreated():
            added = _joined(payload.author, payload.contact_id, event, veil)
        case ParticipantRemoved():
            name = known_by(payload.participant, payload.contact_id, veil)
            removed = {"participants": (name,)}
        case ParticipantAdded():
            added = _joined(payload.participant, payload.contact_id, event, veil)
        case ConversationTagged():
            added = {"tags": tuple(veil.over(TAG, tag) for tag in payload.added)}
            removed = {"tags": tuple(veil.over(TAG, tag) for tag in payload.removed)}
        case ConversationCreated():
            values |= {
                "status": payload.status,
                "priority": "normal",
                "requester": payload.requester_contact_id,
                "created_ms": event.time_ms,
            }
        case _:
            values |= _set(payload, veil)
    return (Put(event.stream.name, values, added=added, removed=removed),)


def known_by(author: Author, contact_id: str | None, veil: Veil) -> str:
    """Return what somebody is called in the view: a customer by its TypeID, others by a hash."""
    return contact_id or veil.over(author.type, author.id)


def _joined(
    author: Author, contact_id: str | None, event: Event, veil: Veil
) -> dict[str, tuple[str, ...]]:
    joined: dict[str, tuple[str, ...]] = {"participants": (known_by(author, contact_id, veil),)}
    if event.actor.startswith(ACCOUNT_PREFIX):
        joined["accounts"] = (veil.over(ACCOUNT, event.actor),)
    return joined


def _set(payload: object, veil: Veil) -> dict[str, Any]:
    match payload:
        case ConversationClosed():
            return {"status": "closed"}
        case ConversationReopened():
            return {"status": "open"}
        case ConversationAssigned(assignee=assignee):
            return {"assignee": known_by(assignee, None, veil)}
        case ConversationUnassigned():
            return {"assignee": None}
        case ConversationUpdated(changes=changes) if "priority" in changes:
            return {"priority": changes["priority"]}
        case _:
            return {}


RULES = ViewRules(DECLARATION, fold)
