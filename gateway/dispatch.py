"""Route, head and body → status, headers and bytes. The one way every request takes.

authenticate → scopes → decode → handler; every refusal and failure becomes problem+json here.
The servers and the realtime ``call`` are thin adapters around it, so they cannot drift.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec

from engine.engine import Engine
from engine.errors import ParleyError
from engine.principal import Principal
from gateway.api.contract import Caller, Handler, PublicHandler, Request, Response, Route, Streaming
from gateway.http import accept, body, idempotency, problem, query, trace
from gateway.http.authenticate import check_environment, credential_of
from gateway.http.problem import HttpError
from gateway.limits import REQUEST_BODY_BYTES_MAX
from gateway.realtime.hub import Hubs
from gateway.routing import MethodNotAllowedError, RouteTable
from gateway.streams.open_streams import OpenStreams

LOG = logging.getLogger("parley.request")
API_VERSION = "2026-11-22"

ReadBody = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Head:
    """A request before its body: as it came, but for header names in lower case."""

    method: str
    raw_path: str
    query: str
    headers: dict[str, str]


class Dispatcher:
    """Answers requests by the route table."""

    def __init__(
        self, engine: Engine, table: RouteTable, *, streams: OpenStreams, hubs: Hubs
    ) -> None:
        """Ask ``engine`` who asks; answer by ``table``; keep account of open ``streams``."""
        self._engine = engine
        self._streams = streams
        self._hubs = hubs
        self.table = table

    async def dispatch(self, head: Head, read_body: ReadBody) -> Response | Streaming:
        """Return the answer to a request; never raises but for cancellation."""
        began = time.perf_counter()
        request_id = trace.new_request_id()
        try:
            answer = await self._answer(head, read_body, request_id)
        except ParleyError as error:
            answer = refused(error, request_id=request_id, instance=head.raw_path)
        except Exception as error:  # noqa: BLE001 - a failure is told to the client, and logged
            answer = _failed(error, request_id=request_id, instance=head.raw_path)
        _log(head, answer, request_id, began)
        extra = (("Request-Id", request_id), ("Parley-Version", API_VERSION))
        return replace(answer, headers=(*answer.headers, *extra))

    async def call(
        self, caller: Caller, method: str, path: str, raw: bytes, traceparent: str | None
    ) -> Response:
        """Return the answer to a request made over an open socket, by its authenticated caller.

        Raises:
            HttpError: ``not_acceptable``: the route answers with a stream.
        """
        request_id = trace.new_request_id()
        raw_path, _, text = path.partition("?")
        headers = {"content-type": body.JSON}
        if traceparent:
            headers["traceparent"] = traceparent
        head = Head(method, raw_path, text, headers)
        try:
            route, parameters = self.table.find(method, raw_path)
            _check_whole(route)
            head.headers["accept"] = body.JSON
            answer = await self._perform(route, parameters, head, _already(raw), request_id, caller)
        except ParleyError as error:
            answer = refused(error, request_id=request_id, instance=raw_path)
        except Exception as error:  # noqa: BLE001 - a failure is told to the client, and logged
            answer = _failed(error, request_id=request_id, instance=raw_path)
        return cast("Response", answer)

    async def caller_of(self, credential: str) -> Caller:
        """Return who a credential stands for, with its environment.

        Raises:
            UnauthenticatedError: it is not known, or not alive.
            ForbiddenError: an admin key.
        """
        principal = await self._engine.authenticate(credential)
        check_environment(principal)
        return await self._caller(principal, credential)

    async def _answer(
        self, head: Head, read_body: ReadBody, request_id: str
    ) -> Response | Streaming:
        method = "GET" if head.method == "HEAD" else head.method
        route, parameters = self.table.find(method, head.raw_path)
        caller = None
        if not route.public:
            credential = credential_of(head.headers)
            principal = await self._engine.authenticate(credential)
            check_environment(principal)
            caller = await self._caller(principal, credential)
        return await self._perform(route, parameters, head, read_body, request_id, caller)

    async def _perform(
        self,
        route: Route,
        parameters: dict[str, str],
        head: Head,
        read_body: ReadBody,
        request_id: str,
        caller: Caller | None,
    ) -> Response | Streaming:
        if caller is not None:
            caller.principal.require(route.scopes)
        media_type = accept.choose(head.headers.get("accept"), route.produces)
        decoded = await _decoded(route, head, read_body)
        request = Request(
            method=route.method,
            path=head.raw_path,
            parameters=parameters,
            query=query.decode(head.query, route.query),
            body=decoded,
            headers=head.headers,
            media_type=media_type,
            idempotency_key=idempotency.key_of(head.headers, decoded) if route.mutating else None,
            request_id=request_id,
            traceparent=trace.traceparent_of(head.headers),
        )
        answer: Response | Streaming
        if route.public or caller is None:
            answer = await cast("PublicHandler", route.handler)(self._engine, request)
        else:
            answer = await cast("Handler", route.handler)(caller, request)
        return _as_accepted(answer, media_type)

    async def _caller(self, principal: Principal, credential: str) -> Caller:
        environment = await self._engine.environment(principal.workspace, principal.environment)
        hub = self._hubs.of(principal.workspace, principal.environment)
        return Caller(principal, environment, credential, self._streams, hub)


def refused(error: ParleyError, *, request_id: str, instance: str | None) -> Response:
    """Return the problem document of an error as an answer."""
    document = problem.problem_bytes(error, request_id=request_id, instance=instance)
    headers = problem.headers_of(error)
    if isinstance(error, MethodNotAllowedError):
        headers.append(("Allow", error.allow))
    status = problem.status_of(error)
    return Response(status, document, tuple(headers), content_type=problem.CONTENT_TYPE)


def _check_whole(route: Route) -> None:
    if body.JSON not in route.produces:
        detail = "this route answers with a stream; subscribe, or ask for it over HTTP"
        raise HttpError("not_acceptable", detail)


def _failed(error: Exception, *, request_id: str, instance: str) -> Response:
    LOG.error("a handler failed", exc_info=error, extra={"request_id": request_id})
    failure = ParleyError("something failed on our side; it was logged")
    return refused(failure, request_id=request_id, instance=instance)


async def _decoded(route: Route, head: Head, read_body: ReadBody) -> Any:
    if route.body is None:
        return None
    media_type = body.check_content_type(head.headers, strict=route.strict_body)
    length = head.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > REQUEST_BODY_BYTES_MAX:
        raise too_large()
    raw = await read_body()
    if len(raw) > REQUEST_BODY_BYTES_MAX:
        raise too_large()
    return body.decode(raw, route.body, media_type=media_type, strict=route.strict_body)


def too_large() -> HttpError:
    """Return the refusal of a body that is too large."""
    return HttpError("too_large", f"a body has at most {REQUEST_BODY_BYTES_MAX} bytes")


def _already(raw: bytes) -> ReadBody:
    async def read() -> bytes:
        return raw

    return read


def _as_accepted(answer: Response | Streaming, media_type: str) -> Response | Streaming:
    """Turn a JSON answer into MessagePack for those who accept that best."""
    if (
        media_type != body.MSGPACK
        or isinstance(answer, Streaming)
        or answer.content_type != body.JSON
    ):
        return answer
    packed = msgspec.msgpack.encode(msgspec.json.decode(answer.body))
    return replace(answer, body=packed, content_type=body.MSGPACK)


def _log(head: Head, answer: Response | Streaming, request_id: str, began: float) -> None:
    if not LOG.isEnabledFor(logging.INFO):
        return
    status = answer.status if isinstance(answer, Response) else 200
    LOG.info(
        "request",
        extra={
            "method": head.method[:16],
            "path": head.raw_path[:200],
            "status": status,
            "duration_ms": round((time.perf_counter() - began) * 1000, 2),
            "request_id": request_id,
        },
    )
