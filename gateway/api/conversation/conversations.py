"""Conversations themselves: made, read and changed, and who takes part in them."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from engine.actor.outcome import Origin
from engine.conversation.commands import Changes
from engine.conversation.events import Author, AuthorType
from engine.conversation.service import Changed, NewConversation
from engine.conversation.text import check_name
from engine.errors import NotFoundError, ParleyError
from engine.log.cursor import etag
from gateway.api.contract import Request, Response, Route
from gateway.api.conversation.messages import CHANGE_ERRORS
from gateway.api.conversation.posting import author_in, expectation_of, named, with_missed
from gateway.api.conversation.resources import (
    READ,
    WRITE,
    AssigneeBody,
    Conversation,
    ConversationBody,
    ConversationFields,
    ConversationPatch,
    ParticipantBody,
    Participants,
    conversation_json,
)
from gateway.api.preconditions import not_modified
from gateway.callers import Caller
from gateway.http.problem import HttpError
from gateway.limits import METADATA_BYTES_MAX

CONVERSATIONS = "/v1/conversations"
CONVERSATION = CONVERSATIONS + "/{conversation}"
PARTICIPANTS = CONVERSATION + "/participants"


async def create_conversation(caller: Caller, request: Request) -> Response:
    """Make a conversation before anything is said in it."""
    body: ConversationBody = request.body
    new = NewConversation(
        external_id=body.external_id,
        requester=author_in(body.requester, field="requester.id"),
        changes=_changes(body),
        size=512 + len(msgspec.json.encode(body)),
    )
    origin = request.origin(caller.principal, CONVERSATIONS)
    changed = await caller.environment.changing.create(caller.principal, new, origin)
    location = ("Location", f"{CONVERSATIONS}/{quote(changed.view.id)}")
    return _receipt(caller, changed, HTTPStatus.CREATED, location)


async def get_conversation(caller: Caller, request: Request) -> Response:
    """Read a conversation; ``If-None-Match`` with its ETag answers 304."""
    log = caller.environment.log
    seen = await caller.environment.conversations.see(
        caller.principal, request.parameters["conversation"]
    )
    tag = etag(log.epoch, seen.version)
    if known := not_modified(request, tag):
        return known
    return Response(HTTPStatus.OK, conversation_json(log, seen), (("ETag", tag),))


async def change_conversation(caller: Caller, request: Request) -> Response:
    """Set fields of a conversation."""
    name, changing = request.parameters["conversation"], caller.environment.changing
    body: ConversationPatch = request.body
    changes, size = _changes(body), 512 + len(msgspec.json.encode(body))
    origin = _origin(caller, request)

    async def change() -> Changed:
        expectation = expectation_of(caller, request, needed=True)
        return await changing.change(
            caller.principal, name, changes, expectation, origin, size=size
        )

    return await _changed(caller, name, change)


async def list_participants(caller: Caller, request: Request) -> Response:
    """Say who takes part."""
    seen = await caller.environment.conversations.see(
        caller.principal, request.parameters["conversation"]
    )
    body = msgspec.json.encode(Participants(list(seen.participants), None))
    return Response(HTTPStatus.OK, body)


async def add_participant(caller: Caller, request: Request) -> Response:
    """Let somebody take part."""
    name, changing = request.parameters["conversation"], caller.environment.changing
    someone = named(request.body, field="id")
    origin = _origin(caller, request, "participants")

    async def change() -> Changed:
        expectation = expectation_of(caller, request, needed=False)
        return await changing.add_participant(caller.principal, name, someone, expectation, origin)

    return await _changed(caller, name, change)


async def remove_participant(caller: Caller, request: Request) -> Response:
    """Let somebody take part no more; a customer no longer sees the conversation."""
    name, changing = request.parameters["conversation"], caller.environment.changing
    someone = _participant(request)
    origin = _origin(caller, request, "participants", someone.type, someone.id)

    async def change() -> Changed:
        expectation = expectation_of(caller, request, needed=False)
        return await changing.remove_participant(
            caller.principal, name, someone, expectation, origin
        )

    return await _changed(caller, name, change)


def _participant(request: Request) -> Author:
    try:
        kind = msgspec.convert(request.parameters["type"], AuthorType)
    except msgspec.ValidationError as error:
        raise _nobody() from error
    return Author(kind, request.parameters["id"])


def _nobody() -> NotFoundError:
    return NotFoundError("there is no such participant")


async def _changed(caller: Caller, name: str, change: Callable[[], Awaitable[Changed]]) -> Response:
    try:
        changed = await change()
    except ParleyError as error:
        raise await with_missed(caller, name, error) from error
    return _receipt(caller, changed, HTTPStatus.OK)


def _receipt(
    caller: Caller, changed: Changed, status: HTTPStatus, *headers: tuple[str, str]
) -> Response:
    log = caller.environment.log
    found = [("ETag", etag(log.epoch, changed.view.version)), *headers]
    if changed.replayed:
        found.append(("Idempotent-Replayed", "true"))
    return Response(status, conversation_json(log, changed.view), tuple(found))


def _origin(caller: Caller, request: Request, *below: str) -> Origin:
    conversations = caller.environment.conversations
    name = request.parameters["conversation"]
    conversation_id, _ = conversations.resolve(caller.principal, name)
    return request.origin(caller.principal, "/".join((CONVERSATIONS, conversation_id, *below)))


def _changes(body: ConversationFields) -> Changes:
    """Return the fields a body sets, within their bounds."""
    if body.attributes is not UNSET:
        _check_attributes(body.attributes)
    for number, tag in enumerate(() if body.tags is UNSET else body.tags):
        check_name(tag, field=f"tags[{number}]")
    if isinstance(body.channel, str):
        check_name(body.channel, field="channel")
    return Changes(
        status=body.status,
        assignee=_assignee(body.assignee),
        priority=body.priority,
        channel=body.channel,
        tags=UNSET if body.tags is UNSET else tuple(body.tags),
        attributes=body.attributes,
    )


def _assignee(body: AssigneeBody | UnsetType | None) -> Author | UnsetType | None:
    return UNSET if body is UNSET else author_in(body, field="assignee.id")


def _check_attributes(attributes: dict[str, object]) -> None:
    if len(msgspec.json.encode(attributes)) > METADATA_BYTES_MAX:
        detail = f"the attributes of a conversation have at most {METADATA_BYTES_MAX} bytes"
        raise HttpError("too_large", detail)
    for name in attributes:
        check_name(name, field=f"attributes.{name[:80]}")


ROUTES = (
    Route(
        method="POST",
        path=CONVERSATIONS,
        name="create_conversation",
        summary="Make a conversation",
        handler=create_conversation,
        scopes=WRITE,
        body=ConversationBody,
        response=Conversation,
        status=201,
        errors=tuple(
            code
            for code in ("author_mismatch", *CHANGE_ERRORS)
            if code not in {"bad_version", "version_conflict", "precondition_required"}
        ),
        examples={
            "external_id": "conv_900",
            "requester": {"type": "user", "id": "usr_45"},
            "tags": ["delivery"],
            "idempotency_key": "conversation-900",
        },
    ),
    Route(
        method="GET",
        path=CONVERSATION,
        name="get_conversation",
        summary="Read a conversation",
        handler=get_conversation,
        scopes=READ,
        response=Conversation,
    ),
    Route(
        method="PATCH",
        path=CONVERSATION,
        name="change_conversation",
        summary="Change a conversation: close it, assign it, sort it",
        handler=change_conversation,
        scopes=WRITE,
        body=ConversationPatch,
        response=Conversation,
        errors=CHANGE_ERRORS,
        examples={
            "status": "closed",
            "assignee": {"type": "agent", "id": "agent_maya"},
            "tags": ["delivery", "refund"],
            "expected_version": 2,
            "idempotency_key": "close-1042",
        },
    ),
    Route(
        method="GET",
        path=PARTICIPANTS,
        name="list_participants",
        summary="Read who takes part",
        handler=list_participants,
        scopes=READ,
        response=Participants,
    ),
    Route(
        method="POST",
        path=PARTICIPANTS,
        name="add_participant",
        summary="Let somebody take part",
        handler=add_participant,
        scopes=WRITE,
        body=ParticipantBody,
        response=Conversation,
        errors=CHANGE_ERRORS,
        examples={"type": "user", "id": "usr_9", "idempotency_key": "add-usr-9"},
    ),
    Route(
        method="DELETE",
        path=PARTICIPANTS + "/{type}/{id}",
        name="remove_participant",
        summary="Let somebody take part no more",
        handler=remove_participant,
        scopes=WRITE,
        response=Conversation,
        errors=CHANGE_ERRORS,
    ),
)
