"""What every refusal of the HTTP doors must look like, and requests no client would send."""

from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
import trio
from msgspec import inspect

from gateway.api import APIS
from gateway.api.contract import Route
from tests.support.servers import Tenant

PATIENCE_SECONDS = 20
"""How long a test waits for what it expects before it fails."""

ROUTES: tuple[Route, ...] = tuple(route for api in APIS for route in api.routes)
MUTATING = tuple(route for route in ROUTES if route.mutating)
WITH_BODY = tuple(route for route in MUTATING if route.body is not None)
REPLAYING = tuple(route for route in MUTATING if route.replays)
ABSENT = {
    "message": "msg_01jd1e2f3g4h5j6k7m8n9p0q1r",
    "erasure": "era_01jd1e2f3g4h5j6k7m8n9p0q1r",
    "type": "user",
    "id": "usr_absent",
}
"""What a path may name besides its conversation, and nobody has."""

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
PROBLEM = "application/problem+json"

Refusals = set[tuple[int, str]]
"""Status and code, any of which is right."""


def fault_of(answer: httpx2.Response, allowed: Refusals) -> str | None:
    """Return what is wrong with a refusal, or ``None``."""
    if answer.headers.get("content-type") != PROBLEM:
        return f"{answer.status_code} is no problem: {answer.content[:200]!r}"
    document = answer.json()
    if not document.keys() >= MEMBERS:
        return f"without {MEMBERS - document.keys()}"
    if (answer.status_code, document["code"]) not in allowed:
        return f"{answer.status_code} {document['code']}: {document['detail']}"
    if document["status"] != answer.status_code:
        return f"status {document['status']} in a {answer.status_code}"
    if document["type"] != f"/problems/{document['code']}":
        return f"type {document['type']} for the code {document['code']}"
    if answer.headers.get("request-id") != document["request_id"]:
        return "another request id in the body than in the header"
    return None


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Return the problem document of a refusal that must be this one."""
    assert fault_of(answer, {(status, code)}) is None, answer.text
    document: dict[str, Any] = answer.json()
    return document


def apart_from_the_request(answer: httpx2.Response) -> dict[str, Any]:
    """Return a problem document without what names the request itself."""
    document = answer.json()
    return {k: v for k, v in document.items() if k not in {"request_id", "instance"}}


def path_of(route: Route, name: str = "conv_123", **others: str) -> str:
    """Return a concrete path of a route; ``name`` stands for a conversation, the rest is absent."""
    others = {"code": "not_found", "file": "swagger-ui.css", **ABSENT, **others}
    return route.path.format(conversation=name, **others)


def good(route: Route) -> dict[str, Any]:
    """Return a body that a route takes, without a key."""
    return {name: value for name, value in route.examples.items() if name != "idempotency_key"}


def fields_of(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    """Return the members of a body as its type declares them."""
    declared = inspect.type_info(kind)
    assert isinstance(declared, inspect.StructType)
    return declared.fields


def kinds_of(field: inspect.Field) -> tuple[inspect.Type, ...]:
    """Return what a member may be; left out and ``null`` are none of it."""
    return tuple(kind for kind in _kinds(field) if not isinstance(kind, inspect.NoneType))


def is_nullable(field: inspect.Field) -> bool:
    """Say whether a member may be ``null``."""
    return any(isinstance(kind, inspect.NoneType) for kind in _kinds(field))


def _kinds(field: inspect.Field) -> tuple[inspect.Type, ...]:
    kind = _plain(field.type)
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return tuple(_plain(one) for one in kinds)


def _plain(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def key_of(route: Route, tenant: Tenant) -> str:
    """Return a key that may use a route."""
    return tenant.admin if route.workspace else tenant.live


async def exchange(url: str, request: bytes) -> httpx2.Response:
    """Send bytes as they are and return the answer; it may come while they are still being sent."""
    parts = urlsplit(url)
    stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
    with trio.fail_after(PATIENCE_SECONDS):
        async with stream, trio.open_nursery() as nursery:
            nursery.start_soon(_send, stream, request)
            answer = await _receive(stream)
            nursery.cancel_scope.cancel()
    return answer


def raw_post(path: str, key: str, body: bytes, *headers: bytes, method: str = "POST") -> bytes:
    """Return the bytes of a POST of JSON with a length; ``headers`` are lines as they stand."""
    lines = [
        f"{method} {path} HTTP/1.1".encode(),
        b"Host: parley",
        f"Authorization: Bearer {key}".encode(),
        b"Content-Type: application/json",
        f"Content-Length: {len(body)}".encode(),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def _send(stream: trio.SocketStream, request: bytes) -> None:
    try:
        await stream.send_all(request)
    except trio.BrokenResourceError:
        return


async def _receive(stream: trio.SocketStream) -> httpx2.Response:
    received = bytearray()
    while b"\r\n\r\n" not in received:
        more = await stream.receive_some()
        assert more, f"closed after {bytes(received)!r}"
        received += more
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = [
        (name.strip(), value.strip()) for name, _, value in (x.partition(":") for x in lines)
    ]
    length = int(dict(headers).get("content-length", "0"))
    while len(body) < length:
        more = await stream.receive_some()
        assert more, "closed within the body"
        body += more
    return httpx2.Response(int(status_line.split()[1]), headers=headers, content=body)
