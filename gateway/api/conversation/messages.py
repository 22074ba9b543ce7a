"""The messages of a conversation: written, read, changed and withdrawn."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from engine.conversation.events import MessageCreated
from engine.conversation.revisions import Revised
from engine.conversation.service import Edit, Edited, Posted
from engine.conversation.text import check_text, flags_of
from engine.errors import ParleyError, VersionConflictError, WrongTypeError
from engine.log.cursor import etag
from engine.log.event import Event
from gateway.api.contract import Request, Response, Route
from gateway.api.conversation.pages import (
    Limit,
    PositionText,
    before_of,
    page_of,
    page_start,
    scan,
    visible_stream,
)
from gateway.api.conversation.posting import (
    author_in,
    check_size,
    expectation_of,
    if_match_of,
    messages_path,
    new_message,
    with_missed,
)
from gateway.api.conversation.resources import (
    READ,
    WRITE,
    History,
    Message,
    MessageBody,
    MessagePage,
    MessagePatch,
    history_json,
    message_json,
    revised_json,
)
from gateway.api.preconditions import not_modified
from gateway.callers import Caller
from gateway.limits import PAGE_ITEMS_DEFAULT


class MessagesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which messages."""

    after: PositionText | None = None
    before: PositionText | None = None
    thread: Annotated[str, Meta(max_length=64, description="Replies to this message.")] | None = (
        None
    )
    limit: Limit = PAGE_ITEMS_DEFAULT
    page: PositionText | None = None


async def post_message(caller: Caller, request: Request) -> Response:
    """Write a message; the answer leaves when it is on disk."""
    name = request.parameters["conversation"]
    conversations = caller.environment.conversations
    conversation_id, _ = conversations.resolve(caller.principal, name)
    origin = request.origin(caller.principal, messages_path(conversation_id))
    try:
        new = new_message(
            request.body, if_match=if_match_of(caller, request.headers.get("if-match"))
        )
        posted = await conversations.post(caller.principal, name, new, origin)
    except ParleyError as error:
        raise await with_missed(caller, name, error) from error
    return receipt(caller, posted)


def receipt(caller: Caller, posted: Posted) -> Response:
    """Return the answer to a message that is on disk."""
    log, audience = caller.environment.log, caller.principal.audience
    headers = _headers(caller, posted.event.version, replayed=posted.replayed)
    return Response(HTTPStatus.CREATED, message_json(log, posted.event, audience), headers)


async def list_messages(caller: Caller, request: Request) -> Response:
    """Read messages in the order they were written, a page at a time, as they are now."""
    query: MessagesQuery = request.query
    stream, version = await visible_stream(caller, request)
    log, audience = caller.environment.log, caller.principal.audience
    tag = etag(log.epoch, version)
    if known := not_modified(request, tag):
        return known
    after = await page_start(caller, request, stream, version)
    before = None
    if query.before is not None:
        before = await before_of(caller, stream, version, query.before)

    def wanted(event: Event) -> bool:
        if event.type != MessageCreated.type_name or not event.seen_by(audience):
            return False
        return query.thread is None or event.payload.parent_id == query.thread

    found = await scan(log, stream, wanted, after=after, before=before, limit=query.limit)
    messages = await caller.environment.messages.revised(found.events, audience)
    items = [revised_json(log, message, audience) for message in messages]
    return page_of(caller, request, items, found.next, (("ETag", tag),))


async def get_message(caller: Caller, request: Request) -> Response:
    """Read one message by its id; ``If-None-Match`` with its ETag answers 304."""
    message = (await _history(caller, request))[-1]
    log, audience = caller.environment.log, caller.principal.audience
    tag = etag(log.epoch, message.revision)
    if known := not_modified(request, tag):
        return known
    return Response(HTTPStatus.OK, revised_json(log, message, audience), (("ETag", tag),))


async def message_history(caller: Caller, request: Request) -> Response:
    """Read everything a message has said."""
    return Response(HTTPStatus.OK, history_json(await _history(caller, request)))


async def edit_message(caller: Caller, request: Request) -> Response:
    """Give a message another text or other metadata."""
    body: MessagePatch = request.body
    text = None if body.text is UNSET else body.text
    metadata = None if body.metadata is UNSET else body.metadata
    if text is None and metadata is None:
        raise WrongTypeError("give a text or metadata")
    size = check_size(body, text or "", metadata or {})
    if text is not None:
        check_text(text)
    edit = Edit(
        text=text,
        metadata=metadata,
        flags=flags_of(text or ""),
        editor=author_in(body.author),
        size=512 + size,
    )
    return await _edited(caller, request, edit, needed=True)


async def redact_message(caller: Caller, request: Request) -> Response:
    """Withdraw what a message says: from now on no door shows it."""
    return await _edited(caller, request, Edit(), needed=False)


async def _edited(caller: Caller, request: Request, edit: Edit, *, needed: bool) -> Response:
    principal, environment = caller.principal, caller.environment
    name, message_id = request.parameters["conversation"], request.parameters["message"]
    conversation_id, _ = environment.conversations.resolve(principal, name)
    path = f"{messages_path(conversation_id)}/{message_id}"
    origin = request.origin(principal, path)
    asked = environment.editing.edit if needed else environment.editing.redact
    try:
        expectation = expectation_of(caller, request, needed=needed)
        edit = replace(edit, expectation=expectation)
        edited = await asked(principal, name, message_id, edit, origin)
    except VersionConflictError as error:
        if (
            error.current
        ):  # 0: the ETag is of another epoch, so nothing of the message was looked at
            error.members["current_revision"] = error.current
        raise await with_missed(caller, name, error) from error
    return _receipt(caller, edited)


def _receipt(caller: Caller, edited: Edited) -> Response:
    log, audience = caller.environment.log, caller.principal.audience
    headers = _headers(caller, edited.message.revision, replayed=edited.replayed)
    return Response(HTTPStatus.OK, revised_json(log, edited.message, audience), headers)


async def _history(caller: Caller, request: Request) -> list[Revised]:
    name, message_id = request.parameters["conversation"], request.parameters["message"]
    seen = await caller.environment.conversations.see(caller.principal, name)
    audience = caller.principal.audience
    return await caller.environment.messages.history(seen.id, message_id, audience)


def _headers(caller: Caller, version: int, *, replayed: bool) -> tuple[tuple[str, str], ...]:
    tag = ("ETag", etag(caller.environment.log.epoch, version))
    return (tag, ("Idempotent-Replayed", "true")) if replayed else (tag,)


MESSAGES = "/v1/conversations/{conversation}/messages"
MESSAGE = MESSAGES + "/{message}"
CHANGE_ERRORS = (
    "bad_version",
    "version_conflict",
    "precondition_required",
    "conflict",
    "idempotency_mismatch",
    "idempotency_in_progress",
    "overloaded",
    "storage_unavailable",
    "outcome_unknown",
)

ROUTES = (
    Route(
        method="POST",
        path=MESSAGES,
        name="post_message",
        summary="Write a message",
        handler=post_message,
        scopes=WRITE,
        body=MessageBody,
        response=Message,
        status=201,
        errors=(
            "author_mismatch",
            "bad_parent",
            "bad_version",
            "version_conflict",
            "conflict",
            "idempotency_mismatch",
            "idempotency_in_progress",
            "overloaded",
            "storage_unavailable",
            "outcome_unknown",
        ),
        examples={
            "author": {"type": "user", "id": "usr_45"},
            "type": "text",
            "text": "Hello — I need help with my order",
            "idempotency_key": "msg-client-987",
        },
    ),
    Route(
        method="GET",
        path=MESSAGES,
        name="list_messages",
        summary="Read the messages of a conversation",
        handler=list_messages,
        scopes=READ,
        query=MessagesQuery,
        response=MessagePage,
        errors=("bad_position", "bad_version", "bad_cursor"),
    ),
    Route(
        method="GET",
        path=MESSAGE,
        name="get_message",
        summary="Read one message",
        handler=get_message,
        scopes=READ,
        response=Message,
    ),
    Route(
        method="PATCH",
        path=MESSAGE,
        name="edit_message",
        summary="Change a message",
        handler=edit_message,
        scopes=WRITE,
        body=MessagePatch,
        response=Message,
        errors=("author_mismatch", *CHANGE_ERRORS),
        examples={
            "text": "Hello — I need help with order 1042",
            "expected_version": 2,
            "idempotency_key": "edit-client-12",
        },
    ),
    Route(
        method="DELETE",
        path=MESSAGE,
        name="redact_message",
        summary="Withdraw what a message says",
        handler=redact_message,
        scopes=WRITE,
        response=Message,
        errors=("author_mismatch", *(code for code in CHANGE_ERRORS if code != "conflict")),
    ),
    Route(
        method="GET",
        path=MESSAGE + "/history",
        name="message_history",
        summary="Read everything a message has said",
        handler=message_history,
        scopes=READ,
        response=History,
    ),
)
