"""Pages of one stream: where they begin, what they hold, and how the next one is found."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Protocol
from urllib.parse import urlencode

from msgspec import Meta

from engine.conversation.service import stream_of
from engine.errors import BadPositionError
from engine.events.service import Start
from engine.limits import REPLAY_PAGE_RECORDS
from engine.log.cursor import AtTime
from engine.log.event import Event
from engine.log.log import Log
from gateway.api.contract import Request, Response
from gateway.api.conversation.resources import page_json
from gateway.callers import Caller
from gateway.http import paging
from gateway.limits import PAGE_BYTES_MAX, PAGE_ITEMS_MAX, PAGE_SCAN_RECORDS_MAX
from persistence.records import Stream

Limit = Annotated[int, Meta(ge=1, le=PAGE_ITEMS_MAX)]
PositionText = Annotated[str, Meta(max_length=200)]
FILTERS = ("before", "thread")
"""Parameters that must be the same on every page."""


class PagedQuery(Protocol):
    """What every query of a paged route has."""

    after: str | None
    limit: int
    page: str | None


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


async def visible_stream(caller: Caller, request: Request) -> tuple[Stream, int]:
    """Return the stream of the conversation and the version this caller may see it at."""
    name = request.parameters["conversation"]
    seen = await caller.environment.conversations.see(caller.principal, name)
    return stream_of(seen.id), seen.version


async def start_of(caller: Caller, stream: Stream, version: int, text: str) -> Start:
    """Return where a reader who gives this position begins (``Positions.in_stream``)."""
    positions, audience = caller.environment.positions, caller.principal.audience
    position = positions.parse(text)
    return await positions.in_stream(stream, position, head=version, audience=audience)


async def before_of(caller: Caller, stream: Stream, version: int, text: str) -> int:
    """Return the version to stop in front of: the event that is named is left out."""
    start = await start_of(caller, stream, version, text)
    position = caller.environment.positions.parse(text)
    _check_epoch(start)
    return start.after + isinstance(position, AtTime)


async def page_start(caller: Caller, request: Request, stream: Stream, version: int) -> int:
    """Return the version that the page begins behind."""
    query: PagedQuery = request.query
    if query.page is not None:
        identity = _identity(caller, request)
        return paging.read(caller.environment.page_key, query.page, query=identity)
    if query.after is None:
        return 0
    start = await start_of(caller, stream, version, query.after)
    _check_epoch(start)
    return start.after


def _check_epoch(start: Start) -> None:
    """A page has no place for a reset: say that the position is of a log that is gone."""
    if start.reset:
        detail = "this position is of an earlier epoch; read from the beginning"
        raise BadPositionError(detail)


def page_of(
    caller: Caller,
    request: Request,
    items: list[bytes],
    following: int | None,
    headers: tuple[tuple[str, str], ...],
) -> Response:
    """Return a page, with a token and a link to the next one if there may be more."""
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
    found = {name: getattr(request.query, name, None) for name in FILTERS}
    return {name: value for name, value in found.items() if value is not None}
