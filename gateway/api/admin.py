"""The Admin API: what the workspace's own people decide, with an admin key."""

from http import HTTPStatus
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from engine.admin.service import Erased
from engine.environment import Environment
from engine.errors import ForbiddenCharacterError, NotFoundError
from engine.events.envelope import rfc3339
from engine.limits import ERASURE_REASON_CHARACTERS_MAX, EXTERNAL_ID_CHARACTERS_MAX
from gateway.api.contract import Api, Body, Request, Response, Route
from gateway.callers import Caller, Operator

ERASURES = "/v1/admin/privacy/erasures"
ENVIRONMENTS: tuple[Literal["live", "test"], ...] = ("live", "test")


class ErasureBody(Body, frozen=True, kw_only=True):
    """Who is to be erased, and where."""

    environment: Literal["live", "test"]
    subject: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=EXTERNAL_ID_CHARACTERS_MAX,
            description="The customer: its TypeID (`usr_…`), or your own id for it.",
        ),
    ]
    reason: (
        Annotated[
            str,
            Meta(
                max_length=ERASURE_REASON_CHARACTERS_MAX,
                description="For the receipt, which is kept: name nobody.",
            ),
        ]
        | None
    ) = None


class ErasureReceipt(msgspec.Struct, frozen=True):
    """What was done, and the proof of it: it can be asked for again, and says the same."""

    id: str
    environment: str
    subject: str
    """The customer's TypeID. Of its own id nothing is kept."""
    reason: str | None
    erased_at: str
    position: str
    """The cursor of `subject.erased` in the events of the environment."""
    number: int
    """Of the entry in the ledger of erasures."""
    mac: str
    """64 hexadecimal characters, made of the others with a key of the environment."""


async def erase(caller: Caller, request: Request) -> Response:
    """Destroy the key of all that was sealed for a customer; the answer leaves when it is done."""
    body: ErasureBody = request.body
    if body.reason is not None and not body.reason.isprintable():
        raise ForbiddenCharacterError("a reason has printable characters only")
    origin = request.origin(caller.principal, f"{ERASURES}?environment={body.environment}")
    environment = await _environment(caller, body.environment)
    erased = await environment.erasures.erase(body.subject, body.reason, origin)
    headers = (("Idempotent-Replayed", "true"),) if erased.replayed else ()
    return Response(HTTPStatus.CREATED, _document(environment, erased), headers)


async def erasure(caller: Caller, request: Request) -> Response:
    """Read the receipt of an erasure again."""
    for name in ENVIRONMENTS:
        environment = await _environment(caller, name)
        erased = environment.erasures.find(request.parameters["erasure"])
        if erased is not None:
            return Response(HTTPStatus.OK, _document(environment, erased))
    raise NotFoundError("there is no such erasure")


async def _environment(caller: Caller, name: str) -> Environment:
    engine = cast("Operator", caller).engine
    return await engine.environment(caller.principal.workspace, name)


def _document(environment: Environment, erased: Erased) -> bytes:
    return msgspec.json.encode(
        ErasureReceipt(
            id=erased.id,
            environment=environment.name,
            subject=erased.subject,
            reason=erased.reason,
            erased_at=rfc3339(erased.time_ms),
            position=environment.log.cursors.make(erased.position),
            number=erased.number,
            mac=erased.mac,
        )
    )


API = Api(
    name="admin",
    summary="What the workspace's own people decide.",
    routes=(
        Route(
            method="POST",
            path=ERASURES,
            name="erase",
            summary="Erase a customer",
            handler=erase,
            scopes=("admin:write",),
            workspace=True,
            body=ErasureBody,
            response=ErasureReceipt,
            status=201,
            strict_body=True,
            errors=("idempotency_mismatch", "storage_unavailable", "outcome_unknown"),
            examples={
                "environment": "live",
                "subject": "usr_45",
                "reason": "asked for by the customer",
                "idempotency_key": "erase-client-7",
            },
        ),
        Route(
            method="GET",
            path=ERASURES + "/{erasure}",
            name="erasure",
            summary="Read the receipt of an erasure",
            handler=erasure,
            scopes=("admin:read",),
            workspace=True,
            response=ErasureReceipt,
        ),
    ),
)
