"""Writing a message, whichever door it came in by: REST and the WebSocket share every rule."""

import re
from urllib.parse import quote

import msgspec

from engine.conversation.events import Author
from engine.conversation.service import NewMessage, stream_of
from engine.errors import (
    FieldError,
    ForbiddenCharacterError,
    OutOfRangeError,
    ParleyError,
    VersionConflictError,
)
from engine.limits import MESSAGE_DATA_BYTES_MAX, MESSAGE_TEXT_BYTES_MAX, MISSED_EVENTS_MAX
from engine.log.cursor import AtVersion
from engine.log.event import Event
from gateway.api.contract import Caller
from gateway.api.resources import MessageBody
from gateway.http.problem import HttpError
from gateway.limits import METADATA_BYTES_MAX, PAGE_BYTES_MAX
from gateway.realtime.frames import event_json

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def messages_path(conversation_id: str) -> str:
    """Return the path a message is posted to, with its id resolved."""
    return f"/v1/conversations/{conversation_id}/messages"


def new_message(body: MessageBody, *, if_match: int | None = None) -> NewMessage:
    """Return what ``body`` asks for, within its bounds.

    Raises:
        HttpError: ``too_large``: text, metadata or the whole message.
        ForbiddenCharacterError: control characters in text or id.
    """
    text = body.text.encode()
    metadata = msgspec.json.encode(body.metadata) if body.metadata else b""
    size = len(msgspec.json.encode(body))
    if (
        len(text) > MESSAGE_TEXT_BYTES_MAX
        or len(metadata) > METADATA_BYTES_MAX
        or size > MESSAGE_DATA_BYTES_MAX
    ):
        detail = (
            f"a message has at most {MESSAGE_TEXT_BYTES_MAX} bytes of text, "
            f"{METADATA_BYTES_MAX} of metadata and {MESSAGE_DATA_BYTES_MAX} in all"
        )
        raise HttpError("too_large", detail)
    _check_text(body)
    author = body.author
    return NewMessage(
        text=body.text,
        author=Author(author.type, author.id) if author else None,
        type=body.type,
        visibility=body.visibility,
        parent_id=body.parent_id,
        metadata=body.metadata,
        expected_version=body.expected_version,
        if_match=if_match,
        size=512 + size,
    )


def if_match_of(caller: Caller, text: str | None) -> int | None:
    """Return the version an ``If-Match`` header names; ``None`` if there is no such header.

    Raises:
        VersionConflictError: an ETag of another epoch: that log is gone.
        OutOfRangeError: no ETag of ours, and no version.
    """
    if text is None or text.strip() == "*":
        return None
    position = caller.environment.positions.parse(text.strip())
    if not isinstance(position, AtVersion):
        detail = "If-Match takes the ETag of the conversation, or its version"
        raise OutOfRangeError(detail, errors=[FieldError("If-Match", "out_of_range", detail)])
    if position.epoch not in {None, caller.environment.log.epoch}:
        detail = "this ETag is of an earlier epoch; read the conversation again"
        raise VersionConflictError(detail, seen=position.version, current=0)
    return position.version


async def with_missed(caller: Caller, conversation: str, error: ParleyError) -> ParleyError:
    """Give a version conflict its cure: the events the caller had not seen, at most 100.

    Raises:
        NotFoundError: the conversation is not there for this caller, so nothing was missed.
    """
    if not isinstance(error, VersionConflictError):
        return error
    environment, audience = caller.environment, caller.principal.audience
    current = await environment.conversations.see(caller.principal, conversation)
    error.members["current_version"] = current.version
    stream = stream_of(current.id)
    page = await environment.log.read(stream, after=error.seen, limit=MISSED_EVENTS_MAX + 1)
    visible = [event for event in page if event.seen_by(audience)]
    missed = _first_of(visible)
    error.members["missed"] = [
        msgspec.Raw(event_json(environment.log, event, audience)) for event in missed
    ]
    if len(missed) < len(visible) or len(page) > MISSED_EVENTS_MAX:
        after = missed[-1].version if missed else error.seen
        path = f"/v1/conversations/{quote(current.id)}/events?after={after}"
        error.members["missed_next"] = path
    return error


def _first_of(events: list[Event]) -> list[Event]:
    """Return the events that an error may carry: at most 100, and a bounded number of bytes."""
    size = 0
    first: list[Event] = []
    for event in events[:MISSED_EVENTS_MAX]:
        size += len(event.data)
        if first and size > PAGE_BYTES_MAX:
            break
        first.append(event)
    return first


def _check_text(body: MessageBody) -> None:
    if _CONTROL.search(body.text):
        raise _forbidden("text", "control characters other than line breaks and tabs")
    if body.author and not body.author.id.isprintable():
        raise _forbidden("author.id", "an id has printable characters only")


def _forbidden(field: str, detail: str) -> ForbiddenCharacterError:
    return ForbiddenCharacterError(
        detail, errors=[FieldError(field, "forbidden_character", detail)]
    )
