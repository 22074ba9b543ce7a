"""The rules of changing what was said: an edit, and a redaction. Pure.

State holds no entry per message: a command carries the header of its target, read by key. Changes
of which that reading cannot know are in ``revisions``, which holds those that were made last.
"""

from typing import Any, Literal

from msgspec import UNSET

from engine.conversation.access import Viewer, author_mismatch, check_visible, is_own
from engine.conversation.commands import EditMessage, MessageHeader, RedactMessage
from engine.conversation.conflicts import check_if_match, check_reached
from engine.conversation.events import (
    AuthorType,
    MessageRedacted,
    MessageUpdated,
    OfMessage,
)
from engine.conversation.state import ConversationState, Revision
from engine.errors import (
    BusyError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    VersionConflictError,
)
from engine.feature import Payload
from engine.limits import MESSAGE_CHANGES_MAX, REVISIONS_REMEMBERED
from engine.log.event import PUBLIC, Event

CUSTOMER_AUTHOR: AuthorType = "user"


_UNKNOWN = Revision(version=0, public_version=0, redacted=False, rewritten=0, annotated=0)


class StaleHeaderError(BusyError):
    """The target was read too long ago to decide on; read it again."""


def edit(state: ConversationState, command: EditMessage) -> tuple[Payload, ...]:
    """Return the event of a change.

    Raises:
        ForbiddenError: only the author changes the words, only staff notes something with them.
        ConflictError: the message was redacted, or changed ``MESSAGE_CHANGES_MAX`` times.
    """
    revision = _checked(state, command)
    target, staff = command.target, command.viewer.staff
    if command.metadata is not None and not staff:
        detail = "a customer's key may not set the metadata of a message that was sent"
        raise ForbiddenError(detail)
    if command.text is not None and not _may_rewrite(state, target, command.viewer):
        raise author_mismatch()
    if revision.redacted:
        raise ConflictError("this message was redacted, so there is nothing to change")
    rewriting = command.text is not None
    number = 1 + (revision.rewritten if rewriting else revision.annotated)
    if number > MESSAGE_CHANGES_MAX:
        detail = f"a message can be changed {MESSAGE_CHANGES_MAX} times; write a new one"
        raise ConflictError(detail)
    return (
        MessageUpdated(
            **_of(state, command),
            changed=_changed(command),
            number=number,
            text=command.text,
            metadata=command.metadata,
            flags=command.flags or UNSET,
        ),
    )


def redact(state: ConversationState, command: RedactMessage) -> tuple[Payload, ...]:
    """Return the event that withdraws a message; none if it was withdrawn before.

    Raises:
        AuthorMismatchError: a customer may withdraw its own words only.
    """
    revision = _checked(state, command)
    viewer = command.viewer
    if not viewer.staff and not is_own(state, command.target.contact_id, viewer):
        raise author_mismatch()
    if revision.redacted:
        return ()
    return (MessageRedacted(**_of(state, command)),)


def remember(state: ConversationState, payload: OfMessage, event: Event) -> None:
    """Note a change; beyond ``REVISIONS_REMEMBERED`` the oldest is let go."""
    uuid = payload.about()
    if uuid is None:
        return
    before = state.revisions.pop(uuid, _UNKNOWN)
    rewritten, annotated = before.rewritten, before.annotated
    if isinstance(payload, MessageUpdated) and payload.changed[0] == "text":
        rewritten = max(rewritten, payload.number)
    elif isinstance(payload, MessageUpdated):
        annotated = payload.number
    state.revisions[uuid] = Revision(
        version=event.version,
        public_version=event.version if event.visibility == PUBLIC else before.public_version,
        redacted=payload.withdraws or before.redacted,
        rewritten=rewritten,
        annotated=annotated,
    )
    if len(state.revisions) > REVISIONS_REMEMBERED:
        gone = state.revisions.pop(next(iter(state.revisions)))
        state.revisions_known_since = gone.version


def no_message() -> NotFoundError:
    """Return the one answer for messages that are absent, elsewhere or hidden."""
    return NotFoundError("there is no such message in this conversation")


def _checked(state: ConversationState, command: EditMessage | RedactMessage) -> Revision:
    """Return where the target stands, if the viewer may know of it and expects it there."""
    viewer, target = command.viewer, command.target
    check_visible(state, viewer)
    if target.visibility == "note" and not viewer.staff:
        raise no_message()
    revision = _revision(state, target)
    at = revision.version if viewer.staff else revision.public_version
    check_if_match(command.if_match, current=at)
    expected = command.expected_version
    if expected is not None:
        current = state.visible_version(staff=viewer.staff)
        check_reached(expected, current=current)
        if at > expected:
            detail = "the message was changed since the version you expected"
            raise VersionConflictError(detail, seen=expected, current=at)
    return revision


def _revision(state: ConversationState, target: MessageHeader) -> Revision:
    """Return where the target stands: what was read of it, and what the actor knows beyond that.

    Raises:
        StaleHeaderError: changes may have been made since that neither of them knows of.
    """
    if target.read_at < state.revisions_known_since:
        raise StaleHeaderError("too many messages are being changed; try again")
    newest = state.revisions.get(target.uuid, _UNKNOWN)
    return Revision(
        version=max(newest.version, target.version),
        public_version=max(newest.public_version, target.public_version),
        redacted=newest.redacted or target.redacted,
        rewritten=max(newest.rewritten, target.rewritten),
        annotated=max(newest.annotated, target.annotated),
    )


def _changed(command: EditMessage) -> tuple[Literal["text", "metadata"], ...]:
    text: tuple[Literal["text"], ...] = ("text",) if command.text is not None else ()
    return (*text, "metadata") if command.metadata is not None else text


def _may_rewrite(state: ConversationState, target: MessageHeader, viewer: Viewer) -> bool:
    """A customer's words are the customer's, staff's words are staff's."""
    if viewer.staff:
        return target.author.type != CUSTOMER_AUTHOR
    return is_own(state, target.contact_id, viewer)


def _of(state: ConversationState, command: EditMessage | RedactMessage) -> dict[str, Any]:
    target = command.target
    return {
        "conversation_id": state.name,
        "conversation_external_id": state.external_id,
        "message_id": target.id,
        "author": target.author,
        "contact_id": target.contact_id,
        "editor": command.editor,
        "visibility": target.visibility,
    }
