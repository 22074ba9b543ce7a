"""Typing, presence and read marks over REST, for programs that hold no WebSocket.

They reach the same sockets by the same rules as the frames of the same names.
"""

from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.conversation.events import Author, Visibility
from engine.conversation.marks import Mark
from engine.events.envelope import rfc3339
from gateway.api.contract import Body, Request, Response, Route
from gateway.api.conversation.resources import READ, WRITE, AuthorBody, Version
from gateway.api.conversation.signalling import advance_mark, seat_of
from gateway.callers import Caller
from gateway.fanout.presences import PresenceState
from gateway.fanout.typists import TypingState
from gateway.limits import PRESENCE_REST_SECONDS, TYPING_SECONDS

NO_STORE = (("Cache-Control", "no-store"),)


class TypingBody(Body, frozen=True, kw_only=True):
    """Who writes, and whether it still does."""

    state: Annotated[
        TypingState,
        Meta(description=f"`start` holds {TYPING_SECONDS:g} seconds unless it is sent again."),
    ]
    author: AuthorBody | None = None
    visibility: Annotated[
        Visibility, Meta(description="`note` is told to staff only, and only staff may send it.")
    ] = "public"


class PresenceBody(Body, frozen=True, kw_only=True):
    """Who is here."""

    state: Annotated[
        PresenceState,
        Meta(description=f"Holds {PRESENCE_REST_SECONDS:g} seconds unless it is sent again."),
    ]
    author: AuthorBody | None = None


class ReadBody(Body, frozen=True, kw_only=True):
    """How far somebody has read."""

    version: Version
    author: AuthorBody | None = None


class Signalled(msgspec.Struct, frozen=True):
    """How many connections were told at once; nothing of it is stored."""

    signalled: int


class PresentAuthor(msgspec.Struct, frozen=True):
    """Somebody who is here."""

    author: Author
    state: Literal["online", "away"]
    since: str


class PresentPage(msgspec.Struct, frozen=True):
    """Everybody who is here, in the order they came; it is one page."""

    data: list[PresentAuthor]
    next: None = None


class ReadMark(msgspec.Struct, frozen=True):
    """How far a reader has come, and when it came there."""

    conversation_id: str
    reader: Author
    version: int
    read_at: str


class ReadMarkPage(msgspec.Struct, frozen=True):
    """The marks of everybody who has read; it is one page."""

    data: list[ReadMark]
    next: None = None


async def post_typing(caller: Caller, request: Request) -> Response:
    """Tell those who are here that somebody types, or has stopped.

    Nothing is stored, so an idempotency key has nothing to replay: it is checked for form only.
    """
    body: TypingBody = request.body
    seat = await seat_of(
        caller, request.parameters["conversation"], body.author, visibility=body.visibility
    )
    return _signalled(caller.hub.typing(seat, body.state, sender=None))


async def post_presence(caller: Caller, request: Request) -> Response:
    """Tell those who are here that somebody is online, away or gone.

    Nothing is stored, so an idempotency key has nothing to replay: it is checked for form only.
    """
    body: PresenceBody = request.body
    seat = await seat_of(caller, request.parameters["conversation"], body.author)
    return _signalled(caller.hub.presence(seat, body.state, sender=None))


async def get_presence(caller: Caller, request: Request) -> Response:
    """Read who is online or away in a conversation right now."""
    seen = await caller.environment.conversations.see(
        caller.principal, request.parameters["conversation"]
    )
    present = [
        PresentAuthor(author, "away" if state == "away" else "online", rfc3339(since_ms))
        for author, state, since_ms in caller.hub.present(seen.id)
    ]
    return Response(HTTPStatus.OK, msgspec.json.encode(PresentPage(present)), NO_STORE)


async def post_read(caller: Caller, request: Request) -> Response:
    """Note how far somebody has read: the highest version counts, and a lower one changes nothing.

    The answer is the mark as it stands on disk. The same body again gives the same mark, so an
    idempotency key has nothing to replay: it is checked for form only.
    """
    body: ReadBody = request.body
    mark = await advance_mark(
        caller, request.parameters["conversation"], body.version, body.author, sender=None
    )
    return Response(HTTPStatus.OK, msgspec.json.encode(_mark(mark)))


async def get_read(caller: Caller, request: Request) -> Response:
    """Read how far everybody has read whose mark this key may see."""
    marks = await caller.environment.marks.list(
        caller.principal, request.parameters["conversation"]
    )
    page = ReadMarkPage([_mark(mark) for mark in marks])
    return Response(HTTPStatus.OK, msgspec.json.encode(page), NO_STORE)


def _signalled(number: int) -> Response:
    return Response(HTTPStatus.ACCEPTED, msgspec.json.encode(Signalled(number)))


def _mark(mark: Mark) -> ReadMark:
    return ReadMark(mark.conversation_id, mark.reader, mark.version, rfc3339(mark.time_ms))


_PATH = "/v1/conversations/{conversation}"
_AGENT = {"type": "agent", "id": "agent_maya"}

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path=f"{_PATH}/typing",
        name="post_typing",
        summary="Signal that somebody types",
        handler=post_typing,
        scopes=WRITE,
        body=TypingBody,
        response=Signalled,
        status=HTTPStatus.ACCEPTED,
        errors=("author_mismatch", "overloaded"),
        replays=False,
        examples={"author": _AGENT, "state": "start"},
    ),
    Route(
        method="POST",
        path=f"{_PATH}/presence",
        name="post_presence",
        summary="Signal that somebody is present",
        handler=post_presence,
        scopes=WRITE,
        body=PresenceBody,
        response=Signalled,
        status=HTTPStatus.ACCEPTED,
        errors=("author_mismatch", "overloaded"),
        replays=False,
        examples={"author": _AGENT, "state": "online"},
    ),
    Route(
        method="GET",
        path=f"{_PATH}/presence",
        name="get_presence",
        summary="Read who is present",
        handler=get_presence,
        scopes=READ,
        response=PresentPage,
    ),
    Route(
        method="POST",
        path=f"{_PATH}/read",
        name="post_read",
        summary="Note how far somebody has read",
        handler=post_read,
        scopes=WRITE,
        body=ReadBody,
        response=ReadMark,
        errors=("author_mismatch", "bad_version", "overloaded", "storage_unavailable"),
        replays=False,
        examples={"author": _AGENT, "version": 1},
    ),
    Route(
        method="GET",
        path=f"{_PATH}/read",
        name="get_read",
        summary="Read how far everybody has read",
        handler=get_read,
        scopes=READ,
        response=ReadMarkPage,
    ),
)
