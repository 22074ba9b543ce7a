"""The events of one conversation, followed or read in pages."""

import msgspec

from engine.events.filters import TypeFilter
from gateway.api.contract import Request, Response, Route, Streaming
from gateway.api.conversation.pages import (
    Limit,
    PositionText,
    page_of,
    page_start,
    scan,
    start_of,
    visible_stream,
)
from gateway.api.conversation.resources import READ, EventPage
from gateway.callers import Caller
from gateway.fanout.frames import event_json
from gateway.http.media_types import JSON, NDJSON, SSE
from gateway.limits import PAGE_ITEMS_DEFAULT
from gateway.streams.stream import HEADERS, EventStream


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events."""

    after: PositionText | None = None
    last_event_id: PositionText | None = None
    limit: Limit = PAGE_ITEMS_DEFAULT
    page: PositionText | None = None


async def conversation_events(caller: Caller, request: Request) -> Response | Streaming:
    """Follow a conversation (SSE, NDJSON), or read its events a page at a time (JSON)."""
    query: EventsQuery = request.query
    stream, version = await visible_stream(caller, request)
    if request.media_type != JSON:
        # A browser that connects again repeats the URL: the header knows better how far it was.
        wanted = request.headers.get("last-event-id") or query.last_event_id or query.after
        environment = caller.environment
        start = (
            await start_of(caller, stream, version, wanted)
            if wanted
            else await environment.positions.head(stream)
        )
        feed = EventStream(
            caller,
            request.media_type,
            start=start,
            stream=stream,
            types=TypeFilter(),
        )
        return Streaming(feed, request.media_type, HEADERS)
    after = await page_start(caller, request, stream, version)
    log, audience = caller.environment.log, caller.principal.audience
    found = await scan(
        log, stream, lambda e: e.seen_by(audience), after=after, before=None, limit=query.limit
    )
    items = [event_json(log, event, audience) for event in found.events]
    return page_of(caller, request, items, found.next, ())


ROUTES = (
    Route(
        method="GET",
        path="/v1/conversations/{conversation}/events",
        name="follow_conversation",
        summary="Follow the events of a conversation, or read them in pages",
        handler=conversation_events,
        scopes=READ,
        query=EventsQuery,
        response=EventPage,
        errors=("bad_position", "bad_version", "bad_cursor"),
        produces=(SSE, NDJSON, JSON),
    ),
)
