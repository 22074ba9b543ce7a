"""The rules of a conversation's fields and of who takes part in it. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from engine.conversation.access import check_visible
from engine.conversation.commands import (
    AddParticipant,
    ChangeConversation,
    Changes,
    RemoveParticipant,
)
from engine.conversation.conflicts import check_expected, check_if_match
from engine.conversation.events import (
    Author,
    ConversationAssigned,
    ConversationClosed,
    ConversationReopened,
    ConversationTagged,
    ConversationUnassigned,
    ConversationUpdated,
    ParticipantAdded,
    ParticipantRemoved,
)
from engine.conversation.state import ConversationState, seat
from engine.errors import ConflictError, ForbiddenError, NotFoundError, OutOfRangeError
from engine.feature import Payload
from engine.limits import ATTRIBUTES_BYTES_MAX, PARTICIPANTS_MAX, TAGS_MAX
from engine.principal import Principal

PLAIN_FIELDS = ("priority", "channel")


def change(state: ConversationState, command: ChangeConversation) -> tuple[Payload, ...]:
    """Return the events that set what is not so already; none if all of it is.

    Raises:
        ForbiddenError: how staff sorts its work is staff's.
    """
    _check_staff(state, command)
    _check_versions(state, command, asked(command.changes))
    return _events(state, state.external_id, command.changes)


def opening(
    state: ConversationState, external_id: str | None, changes: Changes
) -> tuple[Payload, ...]:
    """Return the events that set fields of a conversation that is being made."""
    return _events(state, external_id, changes)


def add_participant(state: ConversationState, command: AddParticipant) -> tuple[Payload, ...]:
    """Return the event that lets somebody take part; none if it does already."""
    _check_staff(state, command)
    _check_versions(state, command, ("participants",))
    someone, contact_id = command.participant, command.contact_id
    if state.taking_part(someone, contact_id):
        return ()
    check_room(state, someone, contact_id)
    before = state.participants.get(seat(someone, contact_id))
    known = someone.type == "user" or (before is not None and before.public)
    added = ParticipantAdded(
        state.name, state.external_id, someone, contact_id, "public" if known else "note"
    )
    return (added,)


def remove_participant(state: ConversationState, command: RemoveParticipant) -> tuple[Payload, ...]:
    """Return the event that ends somebody's part.

    Raises:
        NotFoundError: it takes no part.
    """
    _check_staff(state, command)
    _check_versions(state, command, ("participants",))
    found = state.taking_part(command.participant, command.contact_id)
    if found is None:
        raise NotFoundError("there is no such participant")
    removed = ParticipantRemoved(
        state.name,
        state.external_id,
        found.author,
        found.contact_id,
        "public" if found.public else "note",
    )
    return (removed,)


def check_may_sort(principal: Principal, changes: Changes) -> None:
    """Refuse a customer that sets what staff sorts its work by.

    Raises:
        ForbiddenError: what is said is a customer's, not how it is sorted.
    """
    if not principal.staff and changes != Changes():
        detail = "a customer's key may not set the fields staff sorts by"
        raise ForbiddenError(detail)


def check_room(state: ConversationState, author: Author, contact_id: str | None) -> None:
    """Refuse one participant too many.

    Raises:
        ConflictError: there are ``PARTICIPANTS_MAX``, and this is none of them.
    """
    known = state.taking_part(author, contact_id)
    if not known and len(state.present()) >= PARTICIPANTS_MAX:
        detail = f"a conversation has at most {PARTICIPANTS_MAX} participants"
        raise ConflictError(detail)


def asked(changes: Changes) -> tuple[str, ...]:
    """Return the names of the fields that are set."""
    names = ("status", "assignee", "priority", "channel", "tags", "attributes")
    return tuple(name for name in names if getattr(changes, name) is not UNSET)


def merged(before: Any, patch: Any) -> Any:
    """Return ``before`` with ``patch`` merged into it (RFC 7396): ``None`` removes a name."""
    if not isinstance(patch, dict):
        return patch
    after = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        else:
            after[name] = merged(after.get(name), value)
    return after


def _events(
    state: ConversationState, external_id: str | None, changes: Changes
) -> tuple[Payload, ...]:
    """Return the status last, so that whoever hears of a closing has heard of the rest."""
    parts: tuple[Callable[[ConversationState, str | None, Changes], tuple[Payload, ...]], ...] = (
        _assigned,
        _tagged,
        _updated,
        _status,
    )
    return tuple(event for part in parts for event in part(state, external_id, changes))


def _status(
    state: ConversationState, external_id: str | None, changes: Changes
) -> tuple[Payload, ...]:
    if changes.status is UNSET or changes.status == state.status:
        return ()
    kind = ConversationClosed if changes.status == "closed" else ConversationReopened
    return (kind(state.name, external_id),)


def _assigned(
    state: ConversationState, external_id: str | None, changes: Changes
) -> tuple[Payload, ...]:
    assignee, before = changes.assignee, state.assignee
    if assignee is UNSET or assignee == before:
        return ()
    if isinstance(assignee, Author):
        return (ConversationAssigned(state.name, external_id, assignee, before),)
    return (ConversationUnassigned(state.name, external_id, before),) if before else ()


def _tagged(
    state: ConversationState, external_id: str | None, changes: Changes
) -> tuple[Payload, ...]:
    if changes.tags is UNSET:
        return ()
    before, after = set(state.tags), set(changes.tags)
    if before == after:
        return ()
    if len(after) > TAGS_MAX:
        raise OutOfRangeError(f"a conversation has at most {TAGS_MAX} tags")
    return (
        ConversationTagged(
            state.name,
            external_id,
            tags=tuple(sorted(after)),
            added=tuple(sorted(after - before)),
            removed=tuple(sorted(before - after)),
        ),
    )


def _updated(
    state: ConversationState, external_id: str | None, changes: Changes
) -> tuple[Payload, ...]:
    new: dict[str, Any] = {}
    old: dict[str, Any] = {}
    for name in PLAIN_FIELDS:
        value, before = getattr(changes, name), getattr(state, name)
        if value is not UNSET and value != before:
            new[name], old[name] = value, before
    if changes.attributes is not UNSET:
        patch = _effective(state.attributes, changes.attributes)
        if patch:
            new["attributes"] = patch
            old["attributes"] = {name: state.attributes.get(name) for name in patch}
    return (ConversationUpdated(state.name, external_id, new, old),) if new else ()


def _effective(before: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return the part of ``patch`` that changes something; ``1`` and ``true`` are different."""
    after = merged(before, patch)
    _check_size(after)
    return {
        name: value
        for name, value in patch.items()
        if _encoded(before.get(name)) != _encoded(after.get(name))
    }


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _check_size(attributes: dict[str, Any]) -> None:
    if len(msgspec.json.encode(attributes)) > ATTRIBUTES_BYTES_MAX:
        detail = f"the attributes of a conversation have at most {ATTRIBUTES_BYTES_MAX} bytes"
        raise OutOfRangeError(detail)


def _check_staff(
    state: ConversationState, command: ChangeConversation | AddParticipant | RemoveParticipant
) -> None:
    check_visible(state, command.viewer)
    if not command.viewer.staff:
        detail = "a customer's key may not change a conversation or who takes part in it"
        raise ForbiddenError(detail)


def _check_versions(
    state: ConversationState,
    command: ChangeConversation | AddParticipant | RemoveParticipant,
    topics: tuple[str, ...],
) -> None:
    check_if_match(command.if_match, current=state.version)
    check_expected(state, command.expected_version, topics, staff=True)
