"""How answers are finished: a refusal's problem, the headers that all have, the accepted type."""

import msgspec

from engine.errors import ParleyError
from gateway.api.contract import Response, Streaming
from gateway.http import problem, trace
from gateway.http.media_types import JSON, MSGPACK

API_VERSION = "2026-11-22"

_OF_ALL = (("Parley-Version", API_VERSION),)
_OF_SOME = (*_OF_ALL, ("Vary", "Accept"))


def refused(error: ParleyError, *, request_id: str, instance: str | None) -> Response:
    """Return the problem document of an error as an answer."""
    document = problem.problem_bytes(error, request_id=request_id, instance=instance)
    headers = tuple(problem.headers_of(error))
    return Response(problem.status_of(error), document, headers, problem.CONTENT_TYPE)


def turned_away(error: ParleyError, *, instance: str | None) -> Response:
    """Return the answer to what no route was found for, with the headers that every answer has."""
    request_id = trace.new_request_id()
    answer = refused(error, request_id=request_id, instance=instance)
    headers = (*answer.headers, ("Request-Id", request_id), *_OF_ALL)
    return Response(answer.status, answer.body, headers, answer.content_type)


def finished(
    answer: Response | Streaming, request_id: str, *, negotiated: bool
) -> Response | Streaming:
    """Return ``answer`` with the headers that every answer has.

    Args:
        answer: with the headers of its own.
        request_id: of the request.
        negotiated: whether there was more than one media type to choose from.
    """
    fixed = _OF_SOME if negotiated else _OF_ALL
    headers = (*answer.headers, ("Request-Id", request_id), *fixed)
    if isinstance(answer, Response):
        return Response(answer.status, answer.body, headers, answer.content_type)
    return Streaming(answer.stream, answer.content_type, headers)


def as_accepted(answer: Response | Streaming, media_type: str) -> Response | Streaming:
    """Turn a JSON answer into MessagePack for those who accept that best."""
    if media_type != MSGPACK or isinstance(answer, Streaming) or answer.content_type != JSON:
        return answer
    packed = msgspec.msgpack.encode(msgspec.json.decode(answer.body)) if answer.body else b""
    return Response(answer.status, packed, answer.headers, MSGPACK)
