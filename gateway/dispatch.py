"""Route, head and body → status, headers and bytes. The one way every request takes.

authenticate → scopes → decode → handler; every refusal and failure becomes problem+json here.
The servers and the realtime ``call`` are thin adapters around it, so they cannot drift.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec

from engine.engine import Engine
from engine.errors import NotFoundError, ParleyError
from gateway.api.contract import Handler, PublicHandler, Request, Response, Route, Streaming
from gateway.callers import Caller, Callers
from gateway.fanout.switchboard import Switchboard
from gateway.http import accept, body, idempotency, problem, query, trace
from gateway.http.authenticate import credential_of
from gateway.http.media_types import JSON, MSGPACK
from gateway.http.problem import HttpError
from gateway.limits import REQUEST_BODY_BYTES_MAX
from gateway.metrics.exposition import Exposition
from gateway.metrics.requests import UNMATCHED
from gateway.routing import MethodNotAllowedError, RouteTable

LOG = logging.getLogger("parley.request")
API_VERSION = "2026-11-22"

ReadBody = Callable[[], Awaitable[bytes]]
_Found = tuple[Route, dict[str, str]]


class Head(msgspec.Struct, frozen=True):
    """A request before its body: as it came, but for header names in lower case."""

    method: str
    raw_path: str
    query: str
    headers: dict[str, str]
    client: str = ""
    """The address of who asks, as far as it is known: the peer, or whom a trusted proxy names."""


class Dispatcher:
    """Answers requests by the route table."""

    def __init__(
        self,
        engine: Engine,
        table: RouteTable,
        *,
        switchboard: Switchboard,
        exposition: Exposition,
    ) -> None:
        """Ask ``engine`` who asks; answer by ``table``; streams are fed by ``switchboard``."""
        self._engine = engine
        self._tally = exposition.sources.requests
        self.callers = Callers(engine, switchboard, exposition)
        self.table = table

    async def dispatch(self, head: Head, read_body: ReadBody) -> Response | Streaming:
        """Return the answer to a request; never raises but for cancellation."""
        return await self._dispatch(self._looked_up(head), head, read_body)

    async def dispatch_known(self, head: Head, read_body: ReadBody) -> Response | Streaming | None:
        """Return the answer to a request for a path of the table; ``None`` for any other."""
        found = self._looked_up(head)
        if isinstance(found, NotFoundError):
            return None
        return await self._dispatch(found, head, read_body)

    async def _dispatch(
        self, found: _Found | ParleyError, head: Head, read_body: ReadBody
    ) -> Response | Streaming:
        began = time.perf_counter()
        request_id = trace.new_request_id()
        route: Route | None = None
        answer: Response | Streaming
        self._tally.in_flight += 1
        try:
            if isinstance(found, ParleyError):
                raise found  # noqa: TRY301 - to be answered like any refusal
            route, parameters = found
            answer = await self._answer(route, parameters, head, read_body)
        except ParleyError as error:
            answer = self._refused(route, error, request_id, head.raw_path)
        except Exception as error:  # noqa: BLE001 - a failure is told to the client, and logged
            answer = self._refused(route, _logged(error, request_id), request_id, head.raw_path)
        finally:
            self._tally.in_flight -= 1
        self.told(head, _name(route), _status(answer), request_id, time.perf_counter() - began)
        return _with_headers(answer, (*answer.headers, ("Request-Id", request_id), *_fixed(route)))

    async def call(
        self, caller: Caller, method: str, path: str, raw: bytes, traceparent: str | None
    ) -> Response:
        """Return the answer to a request made over an open socket, by its authenticated caller.

        Raises:
            HttpError: ``not_acceptable``: the route answers with a stream.
        """
        raw_path, _, text = path.partition("?")
        headers = {"content-type": JSON, "accept": JSON}
        if traceparent:
            headers["traceparent"] = traceparent
        head = Head(method, raw_path, text, headers)
        try:
            route, parameters = self.table.find(method, raw_path)
            _check_whole(route)
            answer = await self._perform(route, parameters, head, _already(raw), caller)
        except ParleyError as error:
            answer = refused(error, request_id=trace.new_request_id(), instance=raw_path)
        except Exception as error:  # noqa: BLE001 - a failure is told to the client, and logged
            request_id = trace.new_request_id()
            answer = refused(_logged(error, request_id), request_id=request_id, instance=raw_path)
        return cast("Response", answer)

    def told(self, head: Head, name: str, status: int, request_id: str, seconds: float) -> None:
        """Count and log an answer that took ``seconds`` from its head to the head of the answer.

        Args:
            head: of the request.
            name: of the route, or what else answered; never made by a client.
            status: of the answer.
            request_id: of the request.
            seconds: how long it took.
        """
        self._tally.answered(name, head.method, status, seconds)
        _log(head, status, request_id, seconds)

    def _looked_up(self, head: Head) -> _Found | ParleyError:
        method = "GET" if head.method == "HEAD" else head.method
        try:
            return self.table.find(method, head.raw_path)
        except ParleyError as error:
            return error

    def _refused(
        self, route: Route | None, error: ParleyError, request_id: str, instance: str
    ) -> Response:
        self._tally.refused[_name(route), problem.code_of(error)] += 1
        return refused(error, request_id=request_id, instance=instance)

    async def _answer(
        self,
        route: Route,
        parameters: dict[str, str],
        head: Head,
        read_body: ReadBody,
    ) -> Response | Streaming:
        caller: Caller | None = None
        if not route.public:
            credential = credential_of(head.headers)
            if route.workspace:
                caller = await self.callers.operator(credential, route.scopes)
            else:
                caller = await self.callers.of(credential)
        return await self._perform(route, parameters, head, read_body, caller)

    async def _perform(
        self,
        route: Route,
        parameters: dict[str, str],
        head: Head,
        read_body: ReadBody,
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
            traceparent=trace.traceparent_of(head.headers),
        )
        answer: Response | Streaming
        if route.public or caller is None:
            answer = await cast("PublicHandler", route.handler)(self._engine, request)
        else:
            answer = await cast("Handler", route.handler)(caller, request)
        return _as_accepted(answer, media_type)


def refused(error: ParleyError, *, request_id: str, instance: str | None) -> Response:
    """Return the problem document of an error as an answer."""
    document = problem.problem_bytes(error, request_id=request_id, instance=instance)
    headers = problem.headers_of(error)
    if isinstance(error, MethodNotAllowedError):
        headers.append(("Allow", error.allow))
    status = problem.status_of(error)
    return Response(status, document, tuple(headers), content_type=problem.CONTENT_TYPE)


def turned_away(error: ParleyError, *, instance: str | None) -> Response:
    """Return the answer to what no route was found for, with the headers that every answer has."""
    request_id = trace.new_request_id()
    answer = refused(error, request_id=request_id, instance=instance)
    headers = (*answer.headers, ("Request-Id", request_id), *_OF_ALL)
    return Response(answer.status, answer.body, headers, answer.content_type)


def _check_whole(route: Route) -> None:
    if JSON not in route.produces:
        detail = "this route answers with a stream; subscribe, or ask for it over HTTP"
        raise HttpError("not_acceptable", detail)


def _logged(error: Exception, request_id: str) -> ParleyError:
    LOG.error("a handler failed", exc_info=error, extra={"request_id": request_id})
    return ParleyError("something failed on our side; it was logged")


def _name(route: Route | None) -> str:
    return UNMATCHED if route is None else route.name


_OF_ALL = (("Parley-Version", API_VERSION),)
_OF_SOME = (*_OF_ALL, ("Vary", "Accept"))


def _fixed(route: Route | None) -> tuple[tuple[str, str], ...]:
    """Return the headers that every answer of a route has."""
    return _OF_SOME if route is not None and len(route.produces) > 1 else _OF_ALL


def _status(answer: Response | Streaming) -> int:
    return answer.status if isinstance(answer, Response) else 200


def _with_headers(
    answer: Response | Streaming, headers: tuple[tuple[str, str], ...]
) -> Response | Streaming:
    if isinstance(answer, Response):
        return Response(answer.status, answer.body, headers, answer.content_type)
    return Streaming(answer.stream, answer.content_type, headers)


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
    if media_type != MSGPACK or isinstance(answer, Streaming) or answer.content_type != JSON:
        return answer
    packed = msgspec.msgpack.encode(msgspec.json.decode(answer.body)) if answer.body else b""
    return Response(answer.status, packed, answer.headers, MSGPACK)


def _log(head: Head, status: int, request_id: str, seconds: float) -> None:
    if not LOG.isEnabledFor(logging.INFO):
        return
    LOG.info(
        "request",
        extra={
            "method": head.method[:16],
            "path": head.raw_path[:200],
            "status": status,
            "client": head.client,
            "duration_ms": round(seconds * 1000, 2),
            "request_id": request_id,
        },
    )
