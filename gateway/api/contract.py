"""Routes as data: what every API declares, and what a handler gets and gives.

A handler is ``(Caller, Request) -> Response | Streaming`` and knows no framework.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from engine.actor.outcome import Origin
from engine.engine import Engine
from engine.principal import Principal
from gateway.callers import Caller
from gateway.fanout.outlet import StreamOutlet
from gateway.http.idempotency import origin_of
from gateway.http.media_types import JSON, MSGPACK
from gateway.http.query import Nothing

MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of a mutating request; every one may carry its idempotency key."""

    idempotency_key: str | None = None


class Request(msgspec.Struct, frozen=True):
    """A request, decoded and checked against its route."""

    method: str
    path: str
    parameters: dict[str, str]
    """The variable parts of the path, percent-decoded."""
    query: Any
    body: Any
    headers: dict[str, str]
    """Names in lower case."""
    media_type: str
    """What the client accepts best of what the route produces."""
    idempotency_key: str | None
    traceparent: str | None

    def origin(self, principal: Principal, path: str) -> Origin:
        """Return the origin of the command this request becomes; ``path`` has its ids resolved."""
        return origin_of(
            principal,
            method=self.method,
            path=path,
            key=self.idempotency_key,
            body=self.body,
            traceparent=self.traceparent,
        )


class Response(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON


class OpenStream(Protocol):
    """What feeds an answer without an end of its own."""

    def open(self, outlet: StreamOutlet) -> None:
        """Begin to feed."""

    def lost(self) -> None:
        """The client has left; harmless when it has not begun, or has ended before."""


@dataclass(frozen=True, slots=True)
class Streaming:
    """An answer without an end of its own: bytes as they come, until the client leaves."""

    stream: OpenStream
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Caller, Request], Awaitable[Response | Streaming]]
PublicHandler = Callable[[Engine, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path. ``{name}`` in the path is one segment."""

    method: str
    path: str
    name: str
    """Unique; the operationId."""
    summary: str
    handler: Handler | PublicHandler
    scopes: tuple[str, ...] = ()
    """All of them are needed. A route is either public or has at least one."""
    public: bool = False
    workspace: bool = False
    """It acts on the whole node or workspace: an admin key asks, and no other has its scopes."""
    body: type[Body] | None = None
    query: type[msgspec.Struct] = Nothing
    response: Any = None
    """The type of the answer, for the documentation."""
    status: int = 200
    errors: tuple[str, ...] = ()
    """Codes beyond those every route may answer with."""
    produces: tuple[str, ...] = (JSON, MSGPACK)
    replays: bool = True
    """Whether a key is answered again as it was the first time. Where nothing is written there is
    nothing to say again, and where only the highest number counts, the same body again changes
    nothing: such a route takes a key, checks its form, and remembers none."""
    strict_body: bool = False
    """Members that stand twice are refused: where rights or money are concerned."""
    examples: dict[str, Any] = field(default_factory=dict)

    @property
    def mutating(self) -> bool:
        """Say whether it takes an idempotency key."""
        return self.method in MUTATING


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One of the seven, by the word that names it in URL, folders and docs."""

    name: str
    summary: str
    routes: tuple[Route, ...]
