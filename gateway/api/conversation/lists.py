"""Lists of conversations, and how many there are: what an inbox shows."""

from http import HTTPStatus
from typing import Annotated, Literal, get_args
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, Meta

from engine import ids
from engine.conversation.events import Author, AuthorType, Priority, Status
from engine.conversation.service import Wanted
from engine.errors import BadPositionError, FieldError, NotFoundError
from engine.limits import EXTERNAL_ID_CHARACTERS_MAX, TAG_CHARACTERS_MAX
from engine.log.cursor import AtTime
from gateway.api.contract import Request, Response, Route
from gateway.api.conversation.pages import Limit, PositionText
from gateway.api.conversation.resources import (
    READ,
    ConversationCount,
    ConversationCounts,
    ConversationPage,
    conversation_json,
    page_json,
)
from gateway.callers import Caller
from gateway.http import paging
from gateway.http.problem import HttpError
from gateway.limits import PAGE_ITEMS_DEFAULT

CONVERSATIONS = "/v1/conversations"
NOBODY = "none"
PERSON_CHARACTERS_MAX = EXTERNAL_ID_CHARACTERS_MAX + len("system:")

Person = Annotated[str, Meta(max_length=PERSON_CHARACTERS_MAX)]
Words = Annotated[str, Meta(max_length=64)]


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which conversations; what is left out does not matter."""

    status: Annotated[Words | None, Meta(description="`open`, `closed`, or both by a comma.")] = (
        None
    )
    priority: Annotated[Words | None, Meta(description="Like `high,urgent`; for staff.")] = None
    assignee: Annotated[
        Person | None,
        Meta(description="`agent_maya`, `bot:helper`, or `none` for nobody; for staff."),
    ] = None
    tag: Annotated[str, Meta(max_length=TAG_CHARACTERS_MAX)] | None = None
    requester: Annotated[Person | None, Meta(description="The customer it belongs to.")] = None
    participant: Annotated[
        Person | None, Meta(description="`usr_45`, or `agent:maya`; who left is none.")
    ] = None
    updated_since: Annotated[
        PositionText | None, Meta(description="A time: RFC 3339, `now-1h`, `now-7d`.")
    ] = None


class ListQuery(Filters, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which conversations, and in which order."""

    order: Literal["newest", "oldest"] = "newest"
    limit: Limit = PAGE_ITEMS_DEFAULT
    page: PositionText | None = None


class CountsQuery(Filters, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of which conversations, and what is told apart."""

    by: Literal["status", "assignee"] = "status"


async def list_conversations(caller: Caller, request: Request) -> Response:
    """List the conversations the key may see, those with the newest activity first."""
    query: ListQuery = request.query
    identity = _identity(caller, request)
    key, after = caller.environment.page_key, None
    if query.page is not None:
        after = paging.unseal(key, query.page, tuple[int, str], query=identity)
    listed = await caller.environment.listing.page(
        caller.principal,
        _wanted(caller, query, newest_first=query.order == "newest"),
        after=after,
        limit=query.limit,
    )
    headers, token = _as_of(caller, listed.as_of), None
    if listed.following is not None:
        token = paging.seal(key, query=identity, place=listed.following)
        parameters = {"page": token, "limit": query.limit, **_filters(query)}
        headers = (*headers, ("Link", f'<{request.path}?{urlencode(parameters)}>; rel="next"'))
    log = caller.environment.log
    items = [conversation_json(log, seen) for seen in listed.items]
    return Response(HTTPStatus.OK, page_json(items, token), headers)


async def count_conversations(caller: Caller, request: Request) -> Response:
    """Say how many conversations there are of each status, or of each assignee."""
    query: CountsQuery = request.query
    wanted = _wanted(caller, query, newest_first=True)
    counted = await caller.environment.listing.counts(caller.principal, query.by, wanted)
    found = [ConversationCount(value, count) for value, count in counted.groups]
    body = msgspec.json.encode(ConversationCounts(query.by, found))
    return Response(HTTPStatus.OK, body, _as_of(caller, counted.as_of))


def _as_of(caller: Caller, position: int) -> tuple[tuple[str, str], ...]:
    return (("Parley-As-Of", caller.environment.log.cursors.make(position)),)


def _identity(caller: Caller, request: Request) -> str:
    """Return what a page token is good for: this principal, this path, these filters."""
    return f"{caller.principal.subject}\0{request.path}\0{urlencode(_filters(request.query))}"


def _filters(query: ListQuery) -> dict[str, str]:
    """Return the parameters that must be the same on every page."""
    found = {name: getattr(query, name) for name in (*Filters.__struct_fields__, "order")}
    return {name: value for name, value in found.items() if value is not None}


def _wanted(caller: Caller, query: Filters, *, newest_first: bool) -> Wanted:
    return Wanted(
        statuses=_words(query.status, get_args(Status), "status"),
        priorities=_words(query.priority, get_args(Priority), "priority"),
        assignee=_assignee(query.assignee),
        tag=query.tag,
        requester=_person(query.requester, "user", "requester"),
        participant=_person(query.participant, "user", "participant"),
        updated_since_ms=_time_ms(caller, query.updated_since),
        newest_first=newest_first,
    )


def _words(text: str | None, known: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return the words of a list, each of which must be known."""
    words = tuple(text.split(",")) if text else ()
    for word in words:
        if word not in known:
            raise _bad(name, f"{name} is a list of {', '.join(known)}")
    return words


def _assignee(text: str | None) -> Author | msgspec.UnsetType | None:
    if text is None:
        return UNSET
    return None if text == NOBODY else _person(text, "agent", "assignee")


def _person(text: str | None, kind: AuthorType, name: str) -> Author | None:
    """Return who is named: ``agent:maya``, or an id alone, which is that of a ``kind``."""
    if text is None:
        return None
    said, colon, own_id = text.partition(":")
    for known in get_args(AuthorType):
        if colon and said == known:
            kind, text = known, own_id
    try:
        return Author(kind, ids.check_external_id(text))
    except NotFoundError as error:
        raise _bad(name, error.detail) from error


def _time_ms(caller: Caller, text: str | None) -> int | None:
    if text is None:
        return None
    position = caller.environment.positions.parse(text)
    if not isinstance(position, AtTime):
        detail = "updated_since is a time: RFC 3339 with a zone, or now-1h"
        raise BadPositionError(detail)
    return position.time_ms


def _bad(name: str, detail: str) -> HttpError:
    return HttpError("bad_parameter", detail, errors=[FieldError(name, "bad_parameter", detail)])


ERRORS = ("bad_position", "bad_cursor", "forbidden_character", "storage_unavailable")

ROUTES = (
    Route(
        method="GET",
        path=CONVERSATIONS,
        name="list_conversations",
        summary="List conversations",
        handler=list_conversations,
        scopes=READ,
        query=ListQuery,
        response=ConversationPage,
        errors=ERRORS,
    ),
    Route(
        method="GET",
        path=CONVERSATIONS + "/counts",
        name="count_conversations",
        summary="Count conversations by status or by assignee",
        handler=count_conversations,
        scopes=READ,
        query=CountsQuery,
        response=ConversationCounts,
        errors=ERRORS,
    ),
)
