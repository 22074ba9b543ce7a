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
from engine.conversation.state import ConversationState
from engine.errors import ConflictError, ForbiddenError, NotFoundError, OutOfRangeError
from engine.feature import Payload
from engine.limits import ATTRIBUTES_BYTES_MAX, PARTICIPANTS_MAX
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
    someone = command.participant
    if (someone.type, someone.id) in state.participants:
        return ()
    check_room(state, someone)
    return (ParticipantAdded(state.name, state.external_id, someone, command.contact_id),)


def remove_participant(state: ConversationState, command: RemoveParticipant) -> tuple[Payload, ...]:
    """Return the event that ends somebody's part.

    Raises:
        NotFoundError: it takes no part.
    """
    _check_staff(state, command)
    _check_versions(state, command, ("participants",))
    someone = command.participant
    found = state.participants.get((someone.type, someone.id))
    if found is None:
        raise NotFoundError("there is no such participant")
    return (ParticipantRemoved(state.name, state.external_id, found.author, found.contact_id),)


def check_may_sort(principal: Principal, changes: Changes) -> None:
    """Refuse a customer that sets what staff sorts its work by.

    Raises:
        ForbiddenError: what is said is a customer's, not how it is sorted.
    """
    if not principal.staff and changes != Changes():
        detail = "a customer's key may not set the fields staff sorts by"
        raise ForbiddenError(detail)


def check_room(state: ConversationState, author: Author) -> None:
    """Refuse one participant too many.

    Raises:
        ConflictError: there are ``PARTICIPANTS_MAX``, and this is none of them.
    """
    known = (author.type, author.id) in state.participants
    if not known and len(state.participants) >= PARTICIPANTS_MAX:
        detail = f"a conversation has at most {PARTICIPANTS_MAX} participants"
        raise ConflictError(detail)


def asked(changes: Changes) -> tuple[str, ...]:
    """Return the names of the fields that are set."""
    names = ("status", "assignee", "priority", "channel", "tags", "attributes")
    return tuple(name for name in names if getattr(changes, name) is not UNSET)


def merged(before: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return ``before`` with ``patch`` merged into it (RFC 7396, top level): ``None`` removes."""
    together = {**before, **patch}
    return {name: value for name, value in together.items() if value is not None}


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
        before = state.attributes
        patch = {n: v for n, v in changes.attributes.items() if before.get(n) != v}
        if patch:
            _check_size(merged(before, patch))
            new["attributes"] = patch
            old["attributes"] = {name: before.get(name) for name in patch}
    return (ConversationUpdated(state.name, external_id, new, old),) if new else ()


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
