"""What a message says after its changes. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from engine.conversation.commands import MessageHeader
from engine.conversation.events import Author, MessageCreated, MessageUpdated
from engine.log.event import Event


@dataclass(frozen=True, slots=True)
class Revised:
    """A message as one audience sees it now, or saw it right behind one of its changes."""

    event: Event
    """Its ``message.created``."""
    text: str
    metadata: dict[str, Any]
    redacted: bool
    revision: int
    """The version of its newest change that the audience may see; its own if there is none."""
    editor: Author
    """Who made that change; its author if there is none."""
    changed_by: Event | None = None
    """The event of that change."""


def revised(event: Event, changes: Iterable[Event], audience: str) -> Revised:
    """Return a message behind all of its ``changes`` that ``audience`` may see, in order."""
    return history(event, changes, audience)[-1]


def history(event: Event, changes: Iterable[Event], audience: str) -> list[Revised]:
    """Return a message as it was written and behind each change, as ``audience`` sees it."""
    said: MessageCreated = event.payload
    shown = said if audience == "staff" else said.for_customers()
    found = [
        Revised(
            event=event,
            text=shown.text,
            metadata=shown.metadata,
            redacted=said.redacted,
            revision=event.version,
            editor=said.author,
        )
    ]
    for change in changes:
        if change.seen_by(audience):
            found.append(_behind(found[-1], change, audience))
    return found


def header(event: Event, changes: list[Event], *, read_at: int) -> MessageHeader:
    """Return what a command to change a message carries of it."""
    said: MessageCreated = event.payload
    newest = changes[-1] if changes else event
    public = [change.version for change in (event, *changes) if change.seen_by("customer")]
    return MessageHeader(
        id=event.resource_id or "",
        uuid=event.uuid,
        author=said.author,
        contact_id=said.contact_id,
        visibility=said.visibility,
        version=newest.version,
        public_version=public[-1] if public else 0,
        redacted=any(change.payload.withdraws for change in changes),
        changes=len(changes),
        read_at=read_at,
    )


def _behind(before: Revised, change: Event, audience: str) -> Revised:
    payload = change.payload if audience == "staff" else change.payload.for_customers()
    after = replace(before, revision=change.version, editor=payload.editor, changed_by=change)
    if payload.withdraws:
        return replace(after, text="", metadata={}, redacted=True)
    if not isinstance(payload, MessageUpdated):
        return after
    return replace(
        after,
        text=before.text if payload.text is None else payload.text,
        metadata=before.metadata if payload.metadata is None else payload.metadata,
    )
