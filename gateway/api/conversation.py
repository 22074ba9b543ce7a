"""The Conversation API: what is said, and the events of one conversation."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from engine.conversation.service import Posted, stream_of
from engine.errors import BadPositionError, ParleyError
from engine.events.filters import TypeFilter
from engine.events.service import Start
from engine.limits import REPLAY_PAGE_RECORDS
from engine.log.cursor import AtTime, etag
from engine.log.event import Event
from engine.log.log import Log
from gateway.api.contract import JSON, NDJSON, SSE, Api, Caller, Request, Response, Route, Streaming
from gateway.api.posting import if_match_of, messages_path, new_message, with_missed
from gateway.api.resources import (
    Conversation,
    EventPage,
    Message,
    MessageBody,
    MessagePage,
    conversation_json,
    message_json,
    page_json,
)
from gateway.http import paging
from gateway.limits import (
    PAGE_BYTES_MAX,
    PAGE_ITEMS_DEFAULT,
    PAGE_ITEMS_MAX,
    PAGE_SCAN_RECORDS_MAX,
)
from gateway.realtime.frames import event_json
from gateway.streams.stream import HEADERS, EventStream
from persistence.records import Stream

Limit = Annotated[int, Meta(ge=1, le=PAGE_ITEMS_MAX)]
PositionText = Annotated[str, Meta(max_length=200)]


class MessagesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which messages."""

    after: PositionText | None = None
    before: PositionText | None = None
    thread: Annotated[str, Meta(max_length=64, description="Replies to this message.")] | None = (
        None
    )
    limit: Limit = PAGE_ITEMS_DEFAULT
    page: PositionText | None = None


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events."""

    after: PositionText | None = None
    last_event_id: PositionText | None = None
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
    headers = [("ETag", etag(log.epoch, posted.event.version))]
    if posted.replayed:
        headers.append(("Idempotent-Replayed", "true"))
    return Response(HTTPStatus.CREATED, message_json(log, posted.event, audience), tuple(headers))


async def get_conversation(caller: Caller, request: Request) -> Response:
    """Read a conversation; ``If-None-Match`` with its ETag answers 304."""
    log = caller.environment.log
    seen = await caller.environment.conversations.see(
        caller.principal, request.parameters["conversation"]
    )
    tag = etag(log.epoch, seen.version)
    if _is_known(request, tag):
        return Response(HTTPStatus.NOT_MODIFIED, b"", (("ETag", tag),))
    return Response(HTTPStatus.OK, conversation_json(log, seen), (("ETag", tag),))


def _is_known(request: Request, tag: str) -> bool:
    """Say whether ``If-None-Match`` names ``tag``, compared weakly (RFC 9110, section 13.1.2)."""
    known = request.headers.get("if-none-match", "").split(",")
    ours = {tag, tag.strip('"'), "*"}
    return any(one.strip().removeprefix("W/") in ours for one in known)


async def list_messages(caller: Caller, request: Request) -> Response:
    """Read messages in the order they were written, a page at a time."""
    query: MessagesQuery = request.query
    stream, version = await _visible_stream(caller, request)
    tag = etag(caller.environment.log.epoch, version)
    if _is_known(request, tag):
        return Response(HTTPStatus.NOT_MODIFIED, b"", (("ETag", tag),))
    after = await _page_start(caller, request, stream, version)
    before = None
    if query.before is not None:
        before = await _before(caller, stream, version, query.before)
    log, audience = caller.environment.log, caller.principal.audience

    def wanted(event: Event) -> bool:
        if event.type != "message.created" or not event.seen_by(audience):
            return False
        return query.thread is None or event.payload.parent_id == query.thread

    found = await scan(log, stream, wanted, after=after, before=before, limit=query.limit)
    items = [message_json(log, event, audience) for event in found.events]
    return _page(caller, request, items, found.next, (("ETag", tag),))


async def conversation_events(caller: Caller, request: Request) -> Response | Streaming:
    """Follow a conversation (SSE, NDJSON), or read its events a page at a time (JSON)."""
    query: EventsQuery = request.query
    stream, version = await _visible_stream(caller, request)
    if request.media_type != JSON:
        # A browser that connects again repeats the URL: the header knows better how far it was.
        wanted = request.headers.get("last-event-id") or query.last_event_id or query.after
        environment = caller.environment
        start = (
            await _start(caller, stream, version, wanted)
            if wanted
            else await environment.positions.head(stream)
        )
        chunks = EventStream(
            caller,
            request.media_type,
            start=start,
            stream=stream,
            types=TypeFilter(),
        )
        return Streaming(chunks, request.media_type, HEADERS)
    after = await _page_start(caller, request, stream, version)
    log, audience = caller.environment.log, caller.principal.audience
    found = await scan(
        log, stream, lambda e: e.seen_by(audience), after=after, before=None, limit=query.limit
    )
    items = [event_json(log, event, audience) for event in found.events]
    return _page(caller, request, items, found.next, ())


@dataclass(frozen=True, slots=True)
class Found:
    """The events of one page, and the version to go on behind, if there may be more."""

    events: list[Event]
    next: int | None


async def scan(
    log: Log,
    stream: Stream,
    wanted: Callable[[Event], bool],
    *,
    after: int,
    before: int | None,
    limit: int,
) -> Found:
    """Read on behind ``after`` until ``limit`` wanted events are found, or enough was read."""
    events: list[Event] = []
    size = 0
    for _ in range(PAGE_SCAN_RECORDS_MAX // REPLAY_PAGE_RECORDS):
        page = await log.read(stream, after=after, before=before, limit=REPLAY_PAGE_RECORDS)
        for event in page:
            if wanted(event):
                if len(events) == limit or size > PAGE_BYTES_MAX:
                    return Found(events, after)
                events.append(event)
                size += len(event.data)
            after = event.version
        if len(page) < REPLAY_PAGE_RECORDS:
            return Found(events, None)
    return Found(events, after)


async def _visible_stream(caller: Caller, request: Request) -> tuple[Stream, int]:
    """Return the stream of the conversation and the version this caller may see it at."""
    name = request.parameters["conversation"]
    seen = await caller.environment.conversations.see(caller.principal, name)
    return stream_of(seen.id), seen.version


async def _start(caller: Caller, stream: Stream, version: int, text: str) -> Start:
    positions, audience = caller.environment.positions, caller.principal.audience
    position = positions.parse(text)
    return await positions.in_stream(stream, position, head=version, audience=audience)


async def _before(caller: Caller, stream: Stream, version: int, text: str) -> int:
    """Return the version to stop in front of: the event that is named is left out."""
    start = await _start(caller, stream, version, text)
    position = caller.environment.positions.parse(text)
    _check_epoch(start)
    return start.after + isinstance(position, AtTime)


async def _page_start(caller: Caller, request: Request, stream: Stream, version: int) -> int:
    query: MessagesQuery | EventsQuery = request.query
    if query.page is not None:
        identity = _identity(caller, request)
        return paging.read(caller.environment.page_key, query.page, query=identity)
    if query.after is None:
        return 0
    start = await _start(caller, stream, version, query.after)
    _check_epoch(start)
    return start.after


def _check_epoch(start: Start) -> None:
    """A page has no place for a reset: say that the position is of a log that is gone."""
    if start.reset:
        detail = "this position is of an earlier epoch; read from the beginning"
        raise BadPositionError(detail)


def _page(
    caller: Caller,
    request: Request,
    items: list[bytes],
    following: int | None,
    headers: tuple[tuple[str, str], ...],
) -> Response:
    token = None
    if following is not None:
        key = caller.environment.page_key
        token = paging.make(key, query=_identity(caller, request), after=following)
        query = {"page": token, "limit": request.query.limit, **_filters(request)}
        link = f'<{request.path}?{urlencode(query)}>; rel="next"'
        headers = (*headers, ("Link", link))
    return Response(HTTPStatus.OK, page_json(items, token), headers)


def _identity(caller: Caller, request: Request) -> str:
    """Return what a page token is good for: this principal, this path, these filters."""
    return f"{caller.principal.subject}\0{request.path}\0{urlencode(_filters(request))}"


def _filters(request: Request) -> dict[str, str]:
    """Return the parameters that must be the same on every page."""
    found = {name: getattr(request.query, name, None) for name in ("before", "thread")}
    return {name: value for name, value in found.items() if value is not None}


_READ = ("conversation:read",)
_ERRORS = ("bad_position", "bad_version", "bad_cursor")

API = Api(
    name="conversation",
    summary="What is said, by whom, and who may see it.",
    routes=(
        Route(
            method="POST",
            path="/v1/conversations/{conversation}/messages",
            name="post_message",
            summary="Write a message",
            handler=post_message,
            scopes=("conversation:write",),
            body=MessageBody,
            response=Message,
            status=201,
            errors=(
                "author_mismatch",
                "bad_parent",
                "bad_version",
                "version_conflict",
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
            path="/v1/conversations/{conversation}",
            name="get_conversation",
            summary="Read a conversation",
            handler=get_conversation,
            scopes=_READ,
            response=Conversation,
        ),
        Route(
            method="GET",
            path="/v1/conversations/{conversation}/messages",
            name="list_messages",
            summary="Read the messages of a conversation",
            handler=list_messages,
            scopes=_READ,
            query=MessagesQuery,
            response=MessagePage,
            errors=_ERRORS,
        ),
        Route(
            method="GET",
            path="/v1/conversations/{conversation}/events",
            name="follow_conversation",
            summary="Follow the events of a conversation, or read them in pages",
            handler=conversation_events,
            scopes=_READ,
            query=EventsQuery,
            response=EventPage,
            errors=_ERRORS,
            produces=(SSE, NDJSON, JSON),
        ),
    ),
)
