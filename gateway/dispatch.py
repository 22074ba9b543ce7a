"""Route, head and body → status, headers and bytes. The one way every request takes.

authenticate → scopes → decode → handler; every refusal and failure becomes problem+json here.
The servers and the realtime ``call`` are thin adapters around it, so they cannot drift.
"""

import logging
import time
from http import HTTPStatus
from typing import cast

import msgspec

from engine.engine import Engine
from engine.errors import NotFoundError, ParleyError
from gateway.api.answering import as_accepted, finished, refused
from gateway.api.contract import Handler, PublicHandler, Request, Response, Route, Streaming
from gateway.callers import Caller, Callers
from gateway.fanout.switchboard import Switchboard
from gateway.http import accept, body, idempotency, problem, query, trace
from gateway.http.authenticate import credential_of
from gateway.http.body import ReadBody
from gateway.http.media_types import JSON
from gateway.http.problem import HttpError
from gateway.metrics.exposition import Exposition
from gateway.metrics.requests import UNMATCHED
from gateway.routing import RouteTable

LOG = logging.getLogger("parley.request")
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
        except Exception as error:  # noqa: BLE001 - a failure is told to the client, and logged
            refusal = _refusal_of(error, request_id)
            self._tally.refused[_name(route), problem.code_of(refusal)] += 1
            answer = refused(refusal, request_id=request_id, instance=head.raw_path)
        finally:
            self._tally.in_flight -= 1
        if isinstance(answer, Streaming) and head.method == "HEAD":
            answer = Response(HTTPStatus.OK, b"", answer.headers, answer.content_type)
        self.told(head, _name(route), _status(answer), request_id, time.perf_counter() - began)
        return finished(answer, request_id, negotiated=_negotiated(route))

    async def call(
        self, caller: Caller, method: str, path: str, raw: bytes, traceparent: str | None
    ) -> Response:
        """Return the answer to a request made over an open socket, by its authenticated caller.

        A route that answers with a stream is refused: ``not_acceptable``. Never raises but for
        cancellation.
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
        except Exception as error:  # noqa: BLE001 - a failure is told to the client, and logged
            request_id = trace.new_request_id()
            refusal = _refusal_of(error, request_id)
            answer = refused(refusal, request_id=request_id, instance=raw_path)
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
        decoded = None
        if route.body is not None:
            decoded = await body.received(
                head.headers, read_body, route.body, strict=route.strict_body
            )
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
        return as_accepted(answer, media_type)


def _check_whole(route: Route) -> None:
    if JSON not in route.produces:
        detail = "this route answers with a stream; subscribe, or ask for it over HTTP"
        raise HttpError("not_acceptable", detail)


def _refusal_of(error: Exception, request_id: str) -> ParleyError:
    """Return what the client is told; a failure is logged, too."""
    if isinstance(error, ParleyError):
        return error
    LOG.error("a handler failed", exc_info=error, extra={"request_id": request_id})
    return problem.internal()


def _name(route: Route | None) -> str:
    return UNMATCHED if route is None else route.name


def _negotiated(route: Route | None) -> bool:
    return route is not None and len(route.produces) > 1


def _status(answer: Response | Streaming) -> int:
    return answer.status if isinstance(answer, Response) else 200


def _already(raw: bytes) -> ReadBody:
    async def read() -> bytes:
        return raw

    return read


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
