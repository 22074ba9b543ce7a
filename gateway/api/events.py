"""The Events API: the door to the log."""

from typing import Annotated

import msgspec
from msgspec import Meta

from engine.conversation.service import stream_of
from engine.environment import CATALOGUE
from engine.errors import ForbiddenError
from engine.events.filters import type_filter
from engine.events.service import Start
from gateway.api.contract import Api, Request, Route, Streaming
from gateway.api.conversation.resources import EventDocument, EventPage
from gateway.api.events_query import EventsQuery, query_events
from gateway.callers import Caller
from gateway.http.media_types import NDJSON, SSE
from gateway.streams.stream import HEADERS, EventStream
from persistence.records import Stream

PositionText = Annotated[str, Meta(max_length=200)]


class StreamQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when, and which events."""

    since: Annotated[
        PositionText | None,
        Meta(description="`now-1m`, a time, an event id or a cursor; left out: from now."),
    ] = None
    types: (
        Annotated[str, Meta(max_length=1000, description="`message.created,conversation.*`")] | None
    ) = None
    conversation: Annotated[str, Meta(max_length=128)] | None = None
    last_event_id: PositionText | None = None


async def stream_events(caller: Caller, request: Request) -> Streaming:
    """Follow the events of the environment, or of one conversation, from a position on."""
    query: StreamQuery = request.query
    stream, version = await _stream(caller, query.conversation)
    wanted = request.headers.get("last-event-id") or query.last_event_id or query.since
    types = type_filter((query.types or "").split(",") if query.types else (), CATALOGUE)
    feed = EventStream(
        caller,
        request.media_type,
        start=await _start(caller, stream, version, wanted),
        stream=stream,
        types=types,
    )
    return Streaming(feed, request.media_type, HEADERS)


async def _stream(caller: Caller, conversation: str | None) -> tuple[Stream | None, int]:
    if conversation is not None:
        seen = await caller.environment.conversations.see(caller.principal, conversation)
        return stream_of(seen.id), seen.version
    if not caller.principal.staff:
        detail = "a customer's key follows one conversation: name it with conversation="
        raise ForbiddenError(detail)
    return None, 0


async def _start(caller: Caller, stream: Stream | None, version: int, wanted: str | None) -> Start:
    environment = caller.environment
    if wanted is None:
        if stream is None:
            return Start(environment.log.committed())
        return await environment.positions.head(stream)
    position = environment.positions.parse(wanted)
    if stream is not None:
        audience = caller.principal.audience
        return await environment.positions.in_stream(
            stream, position, head=version, audience=audience
        )
    return await environment.positions.in_feed(position)


API = Api(
    name="events",
    summary="The log: everything that happened, in order, from any position.",
    routes=(
        Route(
            method="GET",
            path="/v1/events",
            name="query_events",
            summary="Read the events of the environment in pages",
            handler=query_events,
            scopes=("events:read",),
            query=EventsQuery,
            response=EventPage,
            errors=("bad_position", "bad_version", "bad_cursor", "out_of_range"),
        ),
        Route(
            method="GET",
            path="/v1/events/stream",
            name="stream_events",
            summary="Follow the events of the environment",
            handler=stream_events,
            scopes=("events:read",),
            query=StreamQuery,
            response=EventDocument,
            errors=("bad_position", "bad_version", "bad_cursor", "out_of_range"),
            produces=(NDJSON, SSE),
        ),
    ),
)
