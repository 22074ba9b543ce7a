"""The Auth API: credentials for clients."""

from typing import Annotated

import msgspec
from msgspec import Meta

from engine import ids
from engine.auth.service import EphemeralGrant
from engine.crypto import mac
from engine.errors import FieldError, ForbiddenCharacterError, OutOfRangeError
from engine.events.envelope import rfc3339_seconds
from engine.limits import (
    EPHEMERAL_CONVERSATIONS_MAX,
    EPHEMERAL_TTL_SECONDS_MAX,
    EPHEMERAL_TTL_SECONDS_MIN,
    EXTERNAL_ID_CHARACTERS_MAX,
)
from gateway.api.contract import Api, Body, Request, Response, Route
from gateway.callers import Caller

Id = Annotated[str, Meta(min_length=1, max_length=EXTERNAL_ID_CHARACTERS_MAX)]
_KEY_BYTES = 32


class EphemeralBody(Body, frozen=True, kw_only=True):
    """For whom, what, and how long."""

    user_id: Annotated[Id, Meta(description="An account (`acct_…`) or one of its users.")]
    scopes: Annotated[list[str], Meta(min_length=1, max_length=32)]
    ttl: Annotated[
        int,
        Meta(
            ge=EPHEMERAL_TTL_SECONDS_MIN,
            le=EPHEMERAL_TTL_SECONDS_MAX,
            description="Seconds until it ends, on open sockets too.",
        ),
    ]
    conversations: Annotated[
        list[Id] | None,
        Meta(description="The only conversations it may touch, by id or external id."),
    ] = None


class EphemeralKey(msgspec.Struct, frozen=True):
    """The key, which is shown once, and its end."""

    ephemeral_key: str
    expires_at: str


async def create_ephemeral(caller: Caller, request: Request) -> Response:
    """Make a short-lived key for a browser or an app."""
    wanted: EphemeralBody = request.body
    environment = caller.environment
    grant = EphemeralGrant(
        subject=_printable(wanted.user_id),
        scopes=tuple(wanted.scopes),
        ttl_s=wanted.ttl,
        conversations=_resolved(caller, wanted.conversations),
    )
    receipt = await environment.ephemeral_keys.create(
        caller.principal,
        grant,
        origin=request.origin(caller.principal, "/v1/auth/ephemeral"),
        secret=_receipt_key(caller, request),
    )
    answer = EphemeralKey(receipt.ephemeral_key, rfc3339_seconds(receipt.expires_s))
    headers = [("Cache-Control", "no-store")]
    if receipt.replayed:
        headers.append(("Idempotent-Replayed", "true"))
    return Response(201, msgspec.json.encode(answer), tuple(headers))


def _receipt_key(caller: Caller, request: Request) -> bytes:
    """Return the key a kept receipt is sealed with: nobody has it without both secrets."""
    secret = f"{caller.credential}\0{request.idempotency_key or ''}".encode()
    return mac(b"parley sealed receipts, version 1", secret, _KEY_BYTES)


def _resolved(caller: Caller, names: list[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    if not 0 < len(names) <= EPHEMERAL_CONVERSATIONS_MAX:
        detail = f"name 1 to {EPHEMERAL_CONVERSATIONS_MAX} conversations, or leave it out"
        errors = [FieldError("conversations", "out_of_range", detail)]
        raise OutOfRangeError(detail, errors=errors)
    resolve = caller.environment.external_ids.resolve
    return tuple(resolve(ids.CONVERSATION, _printable(name))[0] for name in names)


def _printable(text: str) -> str:
    if not text.isprintable():
        detail = "an id has printable characters only"
        raise ForbiddenCharacterError(
            detail, errors=[FieldError("user_id", "forbidden_character", detail)]
        )
    return text


API = Api(
    name="auth",
    summary="Keys: who may do what, and for how long.",
    routes=(
        Route(
            method="POST",
            path="/v1/auth/ephemeral",
            name="create_ephemeral_key",
            summary="Make a short-lived key for a client",
            handler=create_ephemeral,
            scopes=("auth:write",),
            body=EphemeralBody,
            response=EphemeralKey,
            status=201,
            strict_body=True,
            errors=("bad_scope", "idempotency_mismatch", "idempotency_in_progress"),
            examples={
                "user_id": "acct_123",
                "scopes": ["conversation:read", "conversation:write"],
                "ttl": 600,
            },
        ),
    ),
)
