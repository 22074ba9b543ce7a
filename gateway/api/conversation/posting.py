"""Writing a message, whichever door it came in by: REST and the WebSocket share every rule."""

from typing import Any
from urllib.parse import quote

import msgspec

from engine.conversation.events import Author
from engine.conversation.service import Expectation, NewMessage, stream_of
from engine.conversation.text import check_text, flags_of
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
from gateway.api.contract import Request
from gateway.api.conversation.resources import (
    AssigneeBody,
    AuthorBody,
    CustomerBody,
    MessageBody,
    ParticipantBody,
)
from gateway.callers import Caller
from gateway.fanout.frames import event_json
from gateway.http.problem import HttpError
from gateway.limits import METADATA_BYTES_MAX, PAGE_BYTES_MAX

_ENCODER = msgspec.json.Encoder()


def messages_path(conversation_id: str) -> str:
    """Return the path a message is posted to, with its id resolved."""
    return f"/v1/conversations/{conversation_id}/messages"


def new_message(body: MessageBody, *, if_match: int | None = None) -> NewMessage:
    """Return what ``body`` asks for, within its bounds.

    Raises:
        HttpError: ``too_large``: text, metadata or the whole message.
        ForbiddenCharacterError, OutOfRangeError: what a text or an id may not hold.
    """
    size = check_size(body, body.text, body.metadata)
    check_text(body.text)
    return NewMessage(
        text=body.text,
        author=author_in(body.author),
        type=body.type,
        visibility=body.visibility,
        parent_id=body.parent_id,
        metadata=body.metadata,
        flags=flags_of(body.text),
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


def check_size(body: msgspec.Struct, text: str, metadata: dict[str, Any]) -> int:
    """Return the JSON bytes of a message's body.

    Raises:
        HttpError: ``too_large``: its text, its metadata or all of it.
    """
    size = len(_ENCODER.encode(body))
    packed = _ENCODER.encode(metadata) if metadata else b""
    if (
        len(text.encode()) > MESSAGE_TEXT_BYTES_MAX
        or len(packed) > METADATA_BYTES_MAX
        or size > MESSAGE_DATA_BYTES_MAX
    ):
        detail = (
            f"a message has at most {MESSAGE_TEXT_BYTES_MAX} bytes of text, "
            f"{METADATA_BYTES_MAX} of metadata and {MESSAGE_DATA_BYTES_MAX} in all"
        )
        raise HttpError("too_large", detail)
    return size


def author_in(
    body: AuthorBody | AssigneeBody | CustomerBody | None, *, field: str = "author.id"
) -> Author | None:
    """Return who a body names, if it names somebody (:func:`named`)."""
    return named(body, field=field) if body else None


def named(
    body: AuthorBody | AssigneeBody | CustomerBody | ParticipantBody, *, field: str
) -> Author:
    """Return who a body names.

    Raises:
        ForbiddenCharacterError: characters in the id that do not print.
    """
    if not body.id.isprintable():
        detail = "an id has printable characters only"
        error = FieldError(field, "forbidden_character", detail)
        raise ForbiddenCharacterError(detail, errors=[error])
    return Author(body.type, body.id)


def expectation_of(caller: Caller, request: Request, *, needed: bool) -> Expectation:
    """Return what the caller says it has seen of what it changes.

    Raises:
        HttpError: ``precondition_required``: it says nothing, where two may change one thing.
        VersionConflictError, OutOfRangeError: as :func:`if_match_of`.
    """
    header = request.headers.get("if-match")
    expected = getattr(request.body, "expected_version", None)
    if needed and header is None and expected is None:
        detail = "say what you have seen: If-Match with the ETag, or expected_version"
        raise HttpError("precondition_required", detail)
    return Expectation(expected_version=expected, if_match=if_match_of(caller, header))
