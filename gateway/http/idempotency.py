"""Idempotency keys: read from header or body, and hashed with everything they are scoped to."""

import re
from typing import Any

import msgspec

from engine import crypto
from engine.actor.outcome import Origin
from engine.errors import FieldError
from engine.limits import IDEMPOTENCY_KEY_CHARACTERS_MAX
from engine.principal import Principal
from gateway.http.problem import HttpError

_PRINTABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_mac = crypto.keyed_mac(b"parley idempotency keys, version 1", 16)
_SORTED = msgspec.json.Encoder(order="deterministic")


def key_of(headers: dict[str, str], body: Any) -> str | None:
    """Return the key of a request, from ``Idempotency-Key`` (quoted or bare) or its body member.

    Raises:
        HttpError: ``bad_idempotency_key``: empty, too long, not printable ASCII, or two different.
    """
    in_body = getattr(body, "idempotency_key", None)
    in_header = headers.get("idempotency-key")
    if in_header is not None:
        in_header = _check(_unquoted(in_header))
    if in_body is not None:
        _check(in_body)
    if in_header is not None and in_body is not None and in_header != in_body:
        raise _bad("header and body carry different keys")
    return in_header if in_header is not None else in_body


def origin_of(
    principal: Principal,
    *,
    method: str,
    path: str,
    key: str | None,
    body: Any,
    traceparent: str | None,
) -> Origin:
    """Return the origin of a command: the key is scoped to principal, method and path.

    Args:
        principal: by its subject, so that a new token of the same subject may repeat a request.
        method: as sent; ``message.create`` counts as ``POST``.
        path: with ids resolved, so that two names of one thing are one path.
        key: as the client sent it, or ``None``.
        body: the decoded body; its fingerprint leaves the key itself out.
        traceparent: carried on the events.
    """
    if key is None:
        return Origin(principal.subject, traceparent=traceparent)
    scope = f"{principal.subject}\x00{method}\x00{path}\x00{key}".encode()
    return Origin(
        principal.subject,
        command_key=_mac(scope),
        fingerprint=fingerprint_of(body),
        traceparent=traceparent,
    )


def fingerprint_of(body: Any) -> bytes:
    """Return 16 bytes that are the same for the same decoded body, whatever its key's place."""
    members = msgspec.to_builtins(body) if body is not None else {}
    members.pop("idempotency_key", None)
    return _mac(_SORTED.encode(members))


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    return text


def _check(key: str) -> str:
    if len(key) > IDEMPOTENCY_KEY_CHARACTERS_MAX or not _PRINTABLE.fullmatch(key):
        raise _bad(f"a key has 1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} printable ASCII characters")
    return key


def _bad(detail: str) -> HttpError:
    errors = [FieldError("idempotency_key", "bad_idempotency_key", detail)]
    return HttpError("bad_idempotency_key", detail, errors=errors)
