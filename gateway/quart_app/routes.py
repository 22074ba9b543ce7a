"""What holds for every route of Quart's own, beside those of the route table.

Their answers carry what dispatch's carry, and every refusal is problem+json: none of the pages that
Quart and Werkzeug bring is ever shown.
"""

import logging
from http import HTTPStatus

from quart import Quart, g, has_request_context, request, websocket
from quart import Response as QuartResponse
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from engine.errors import ParleyError
from gateway.api.answering import API_VERSION, refused
from gateway.api.contract import Response, Streaming
from gateway.http import problem, trace
from gateway.http.problem import HttpError, MethodNotAllowedError
from gateway.quart_app.stream import QuartStream

LOG = logging.getLogger("parley.request")


def prepare(app: Quart) -> None:
    """Let ``app`` answer like dispatch on routes that are added to it."""
    # Otherwise /docs//a would be redirected to /docs/a, and OPTIONS be answered for every route.
    app.url_map.merge_slashes = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.register_error_handler(ParleyError, _refuse)
    app.register_error_handler(HTTPException, _refuse_as_problem)
    app.register_error_handler(Exception, _fail)
    app.after_request(_say_which)


def has(raw_path: str) -> bool:
    """Say whether a route of Quart's own has the path of the present request, with any method.

    Quart looks at the decoded path, without all but one of the slashes that it begins with: what
    is another path to every proxy in front is another one here too.
    """
    if raw_path.startswith("//") or "%2f" in raw_path.lower():
        return False
    return request.url_rule is not None or isinstance(request.routing_exception, MethodNotAllowed)


def as_quart(answer: Response | Streaming, *, bodiless: bool = False) -> QuartResponse:
    """Return ``answer`` as Quart has it; a ``bodiless`` one, to a HEAD, is its headers alone.

    Every server leaves the body out of what it answers a HEAD with; this one is not even made.
    """
    if isinstance(answer, Streaming):
        streaming = QuartResponse(
            QuartStream(answer.stream), HTTPStatus.OK, content_type=answer.content_type
        )
        streaming.timeout = None
        streaming.headers.extend(answer.headers)
        return streaming
    body = b"" if bodiless else answer.body
    whole = QuartResponse(body, answer.status, content_type=answer.content_type)
    if answer.status == HTTPStatus.NOT_MODIFIED:
        # It would be the length of what is known already (RFC 9110, section 8.6), and not 0.
        whole.headers.pop("Content-Length", None)
    elif bodiless:
        whole.headers["Content-Length"] = str(len(answer.body))
    whole.headers.extend(answer.headers)
    return whole


async def _refuse(error: ParleyError) -> QuartResponse:
    asked = request if has_request_context() else websocket
    return as_quart(refused(error, request_id=_request_id(), instance=asked.path))


async def _refuse_as_problem(error: HTTPException) -> QuartResponse | HTTPException:
    if isinstance(error, MethodNotAllowed):
        return await _refuse(MethodNotAllowedError(tuple(error.valid_methods or ())))
    known = _known(error.code, error.description or "")
    return await (_fail(error) if known is None else _refuse(known))


def _known(status: int | None, detail: str) -> ParleyError | None:
    """Return the refusal that Quart means by a status of its own; another one is a failure."""
    match status:
        case HTTPStatus.BAD_REQUEST:
            return HttpError("invalid", detail)
        case HTTPStatus.NOT_FOUND:
            return HttpError("not_found", detail)
        case HTTPStatus.REQUEST_TIMEOUT:
            return HttpError("request_timeout", detail)
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return HttpError("too_large", detail)
        case _:
            return None


async def _fail(error: Exception) -> QuartResponse:
    LOG.error("a page failed", exc_info=error, extra={"request_id": _request_id()})
    return await _refuse(problem.internal())


async def _say_which(answer: QuartResponse) -> QuartResponse:
    if "Request-Id" not in answer.headers:  # dispatch has said so already
        answer.headers["Request-Id"] = _request_id()
        answer.headers["Parley-Version"] = API_VERSION
    return answer


def _request_id() -> str:
    """Return the id of the present request, the same each time."""
    if "request_id" not in g:
        g.request_id = trace.new_request_id()
    known: str = g.request_id
    return known
