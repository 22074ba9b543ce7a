"""The events of the log in pages: which range, which of them, and where the next page begins."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from engine.conversation.service import stream_of
from engine.environment import CATALOGUE
from engine.errors import BadPositionError, ForbiddenError
from engine.events.filters import TypeFilter, type_filter
from engine.events.service import Start
from engine.limits import REPLAY_PAGE_RECORDS
from engine.log.cursor import AtTime, Position
from engine.log.event import Event
from gateway.api.contract import Request, Response
from gateway.api.conversation.pages import Limit, PositionText
from gateway.api.conversation.resources import page_json
from gateway.callers import Caller
from gateway.fanout.frames import event_json
from gateway.http import paging
from gateway.limits import PAGE_BYTES_MAX, PAGE_ITEMS_DEFAULT, PAGE_SCAN_RECORDS_MAX
from persistence.records import Stream

ActorText = Annotated[str, Meta(max_length=128)]
FILTERS = ("types", "conversation", "actor", "since", "before", "order")
"""Parameters that must be the same on every page."""


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which events, and in which order."""

    types: (
        Annotated[str, Meta(max_length=1000, description="`message.created,conversation.*`")] | None
    ) = None
    conversation: Annotated[str, Meta(max_length=128)] | None = None
    actor: Annotated[
        ActorText | None, Meta(description="Whose key caused it, as events say it.")
    ] = None
    since: Annotated[
        PositionText | None, Meta(description="Behind this position; left out: from the first.")
    ] = None
    before: Annotated[
        PositionText | None, Meta(description="In front of this position; left out: to the last.")
    ] = None
    order: Literal["oldest", "newest"] = "oldest"
    limit: Limit = PAGE_ITEMS_DEFAULT
    page: PositionText | None = None


Read = Callable[[int, int], Awaitable[list[Event]]]
"""After which number, and how many → the events behind it."""


@dataclass(frozen=True, slots=True)
class Range:
    """What is read: one stream, counted by version, or the environment, by position."""

    stream: Stream | None
    after: int
    before: int
    """Numbers between these two, both left out: every one of them is an event's."""


@dataclass(frozen=True, slots=True)
class Found:
    """The events of one page, and the number to go on behind, if there may be more."""

    events: list[Event]
    next: int | None


async def query_events(caller: Caller, request: Request) -> Response:
    """Return a page of events; it reads a bounded part of the log, so it may be short."""
    query: EventsQuery = request.query
    asked = await _range(caller, query)
    types = type_filter((query.types or "").split(",") if query.types else (), CATALOGUE)
    identity, key = _identity(caller, request), caller.environment.page_key
    newest_first = query.order == "newest"
    if query.page is not None:
        place = paging.read(key, query.page, query=identity)
        after, before = (asked.after, place) if newest_first else (place, asked.before)
        asked = Range(asked.stream, after, min(before, asked.before))
    found = await scan(
        _reader(caller, asked.stream),
        _wanted(caller, query, types),
        asked,
        limit=query.limit,
        newest_first=newest_first,
    )
    token, headers = None, tuple[tuple[str, str], ...]()
    if found.next is not None:
        token = paging.make(key, query=identity, after=found.next)
        parameters = urlencode({"page": token, "limit": query.limit, **_filters(query)})
        headers = (("Link", f'<{request.path}?{parameters}>; rel="next"'),)
    log, audience = caller.environment.log, caller.principal.audience
    items = [event_json(log, event, audience) for event in found.events]
    return Response(HTTPStatus.OK, page_json(items, token), headers)


async def scan(
    read: Read,
    wanted: Callable[[Event], bool],
    asked: Range,
    *,
    limit: int,
    newest_first: bool,
) -> Found:
    """Read on until ``limit`` wanted events are found, or ``PAGE_SCAN_RECORDS_MAX`` were read."""
    after, before = asked.after, asked.before
    events: list[Event] = []
    size = 0
    for _ in range(PAGE_SCAN_RECORDS_MAX // REPLAY_PAGE_RECORDS):
        count = min(before - after - 1, REPLAY_PAGE_RECORDS)
        if count < 1:
            return Found(events, None)
        page = await read(before - count - 1 if newest_first else after, count)
        for event in reversed(page) if newest_first else page:
            if wanted(event):
                if len(events) == limit or size > PAGE_BYTES_MAX:
                    return Found(events, before if newest_first else after)
                events.append(event)
                size += len(event.data)
            number = event.version if asked.stream is not None else event.position
            after, before = (after, number) if newest_first else (number, before)
    return Found(events, before if newest_first else after)


def _reader(caller: Caller, stream: Stream | None) -> Read:
    log = caller.environment.log

    async def read(after: int, count: int) -> list[Event]:
        if stream is not None:
            return await log.read(stream, after=after, limit=count)
        return await log.read_feed(after=after, limit=count)

    return read


def _wanted(caller: Caller, query: EventsQuery, types: TypeFilter) -> Callable[[Event], bool]:
    audience, actor = caller.principal.audience, query.actor

    def wanted(event: Event) -> bool:
        is_theirs = actor is None or event.actor == actor
        return is_theirs and event.seen_by(audience) and types.matches(event)

    return wanted


async def _range(caller: Caller, query: EventsQuery) -> Range:
    """Return what may be read, between the positions that are named."""
    if query.conversation is not None:
        seen = await caller.environment.conversations.see(caller.principal, query.conversation)
        stream, end = stream_of(seen.id), seen.version
    elif caller.principal.staff:
        stream, end = None, caller.environment.log.committed()
    else:
        detail = "a customer's key reads one conversation: name it with conversation="
        raise ForbiddenError(detail)
    after, before = 0, end + 1
    if query.since is not None:
        start, _ = await _place(caller, stream, end, query.since)
        after = start.after
    if query.before is not None:
        start, position = await _place(caller, stream, end, query.before)
        # A time names no event: the newest one in front of it is not left out.
        before = min(before, start.after + isinstance(position, AtTime))
    return Range(stream, after, before)


async def _place(
    caller: Caller, stream: Stream | None, end: int, text: str
) -> tuple[Start, Position]:
    positions, audience = caller.environment.positions, caller.principal.audience
    position = positions.parse(text)
    if stream is None:
        start = await positions.in_feed(position)
    else:
        start = await positions.in_stream(stream, position, head=end, audience=audience)
    if start.reset:
        detail = "this position is of an earlier epoch; read from the beginning"
        raise BadPositionError(detail)
    return start, position


def _identity(caller: Caller, request: Request) -> str:
    """Return what a page token is good for: this principal, this path, these filters."""
    return f"{caller.principal.subject}\0{request.path}\0{urlencode(_filters(request.query))}"


def _filters(query: EventsQuery) -> dict[str, str]:
    found = {name: getattr(query, name) for name in FILTERS}
    return {name: value for name, value in found.items() if value is not None}
