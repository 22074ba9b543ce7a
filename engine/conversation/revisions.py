"""What a message says after its changes. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET, UnsetType

from engine.conversation.commands import MessageHeader
from engine.conversation.events import Author, Flag, MessageCreated, MessageUpdated
from engine.log.event import CUSTOMER, STAFF, Event


@dataclass(frozen=True, slots=True)
class Revised:
    """A message as one audience sees it now, or saw it right behind one of its changes."""

    event: Event
    """Its ``message.created``."""
    text: str
    metadata: dict[str, Any]
    redacted: bool
    flags: tuple[Flag, ...] | UnsetType
    revision: int
    """The version of its newest change that the audience may see; its own if there is none."""
    editor: Author
    """Who made that change; its author if there is none."""
    changed_by: Event | None = None
    """The event of that change."""


def unrevised(event: Event, audience: str) -> Revised:
    """Return a message as it was written."""
    said: MessageCreated = event.payload
    shown = said if audience == STAFF else said.for_customers()
    return Revised(
        event=event,
        text=shown.text,
        metadata=shown.metadata,
        redacted=said.redacted is True,
        flags=said.flags,
        revision=event.version,
        editor=said.author,
    )


def behind(before: Revised, change: Event, audience: str) -> Revised:
    """Return a message behind one more change, if ``audience`` may see it."""
    return _behind(before, change, audience) if change.seen_by(audience) else before


def history(event: Event, changes: Iterable[Event], audience: str) -> list[Revised]:
    """Return a message as it was written and behind each change, as ``audience`` sees it."""
    said: MessageCreated = event.payload
    found = [unrevised(event, audience)]
    withdrawn = said.redacted is True
    for change in changes:
        withdrawn = withdrawn or change.payload.withdraws
        if change.seen_by(audience):
            found.append(_behind(found[-1], change, audience))
    # Read one after the other, so one of them may know of a redaction that the others do not.
    return [_emptied(one) for one in found] if withdrawn else found


def header(event: Event, changes: list[Event], *, read_at: int) -> MessageHeader:
    """Return what a command to change a message carries of it."""
    said: MessageCreated = event.payload
    newest = changes[-1] if changes else event
    public = [change.version for change in (event, *changes) if change.seen_by(CUSTOMER)]
    return MessageHeader(
        id=event.resource_id or "",
        uuid=event.uuid,
        author=said.author,
        contact_id=said.contact_id,
        visibility=said.visibility,
        version=newest.version,
        public_version=public[-1] if public else 0,
        redacted=said.redacted is True or any(change.payload.withdraws for change in changes),
        rewritten=_count(changes, "text"),
        annotated=_count(changes, "metadata"),
        read_at=read_at,
    )


def _count(changes: list[Event], what: str) -> int:
    """Return how often the text was changed, or the metadata alone."""
    edits = [change.payload for change in changes if isinstance(change.payload, MessageUpdated)]
    return max((edit.number for edit in edits if edit.changed[0] == what), default=0)


def _behind(before: Revised, change: Event, audience: str) -> Revised:
    payload = change.payload if audience == STAFF else change.payload.for_customers()
    after = replace(before, revision=change.version, editor=payload.editor, changed_by=change)
    if payload.withdraws:
        return _emptied(after)
    if not isinstance(payload, MessageUpdated):
        return after
    return replace(
        after,
        text=before.text if payload.text is None else payload.text,
        flags=before.flags if payload.text is None else payload.flags,
        metadata=before.metadata if payload.metadata is None else payload.metadata,
    )


def _emptied(message: Revised) -> Revised:
    return replace(message, text="", metadata={}, flags=UNSET, redacted=True)
