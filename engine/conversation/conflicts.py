"""Which later events make the version a command expects a stale one. Data, and how it is read.

``If-Match`` is strict: any event that the viewer can see fails it. ``expected_version`` fails only
when something has happened since that bears on what is asked. Pure.
"""

from collections.abc import Iterable

from engine.conversation.events import (
    ConversationAssigned,
    ConversationClosed,
    ConversationReopened,
    ConversationTagged,
    ConversationUnassigned,
    ConversationUpdated,
    MessageCreated,
    ParticipantAdded,
    ParticipantRemoved,
)
from engine.conversation.state import ConversationState
from engine.errors import BadVersionError, VersionConflictError
from engine.feature import Payload

EVERYTHING = "everything"
"""Touched by every event that the viewer may see."""

TOUCHES: dict[type[Payload], str] = {
    MessageCreated: "messages",
    ConversationClosed: "status",
    ConversationReopened: "status",
    ConversationAssigned: "assignee",
    ConversationUnassigned: "assignee",
    ConversationTagged: "tags",
    ParticipantAdded: "participants",
    ParticipantRemoved: "participants",
}
"""Event → the topic it touches. ``conversation.updated`` touches the fields it names."""

CONFLICTS: dict[str, frozenset[str]] = {
    "message": frozenset({EVERYTHING}),
    "status": frozenset({"status", "messages"}),
    "assignee": frozenset({"assignee", "status"}),
    "priority": frozenset({"priority"}),
    "channel": frozenset({"channel"}),
    "tags": frozenset({"tags"}),
    "attributes": frozenset({"attributes"}),
    "participants": frozenset({"participants"}),
}
"""What is asked → the topics that must not have been touched since the expected version.

Nobody closes a conversation over an answer they have not read, or takes one that was closed
meanwhile; two who set different fields do not disturb each other. An edit or a redaction conflicts
with any later change of the same message (``revisions``)."""


def topics(payload: Payload) -> tuple[str, ...]:
    """Return what an event touches."""
    if isinstance(payload, ConversationUpdated):
        return tuple(payload.changes)
    topic = TOUCHES.get(type(payload))
    return (topic,) if topic else ()


def check_if_match(if_match: int | None, *, current: int) -> None:
    """Refuse unless the resource is exactly at ``if_match``.

    Raises:
        VersionConflictError: it is not.
    """
    if if_match is not None and if_match != current:
        detail = "this is not at the version in If-Match"
        raise VersionConflictError(detail, seen=if_match, current=current)


def check_expected(
    state: ConversationState, expected: int | None, asked: Iterable[str], *, staff: bool
) -> None:
    """Refuse when something that conflicts with what is ``asked`` came after ``expected``.

    Raises:
        BadVersionError: the conversation has not been at this version, as far as the viewer knows.
        VersionConflictError: names what has changed.
    """
    if expected is None:
        return
    current = state.visible_version(staff=staff)
    check_reached(expected, current=current)
    wanted = frozenset().union(*(CONFLICTS[one] for one in asked))
    stale = sorted(topic for topic in wanted if _touched(state, topic, current) > expected)
    if stale == [EVERYTHING]:
        detail = "something new was said since the version you expected"
        raise VersionConflictError(detail, seen=expected, current=current)
    if stale:
        detail = f"since the version you expected this was touched: {', '.join(stale)}"
        raise VersionConflictError(detail, seen=expected, current=current)


def check_reached(expected: int, *, current: int) -> None:
    """Refuse a version that is still to come.

    Raises:
        BadVersionError: nobody can have seen it.
    """
    if expected > current:
        detail = f"the conversation has no version {expected} yet"
        raise BadVersionError(detail, members={"current_version": current})


def _touched(state: ConversationState, topic: str, current: int) -> int:
    return current if topic == EVERYTHING else state.touched.get(topic, 0)
