"""What operators and readers need beside the APIs: health, metrics, the contract, problems."""

from http import HTTPStatus
from typing import cast

import msgspec

from engine.engine import Engine
from engine.errors import NotFoundError
from gateway.api import openapi
from gateway.api.contract import Api, Request, Response, Route
from gateway.callers import Caller, Operator
from gateway.http import problem
from gateway.http.media_types import HTML, JSON
from gateway.http.problem import HttpError
from gateway.metrics import exposition

_TEXT = "text/plain"


class Health(msgspec.Struct, frozen=True):
    """Whether the process lives."""

    status: str


class ProblemCode(msgspec.Struct, frozen=True):
    """What a code means, for programs; people get a page."""

    code: str
    title: str
    status: int
    advice: str


class Document(msgspec.Struct, frozen=True):
    """An OpenAPI 3.1 document."""

    openapi: str


class Index(msgspec.Struct, frozen=True):
    """Where to go from here."""

    name: str
    contract: str
    docs: str
    realtime: str
    ready: str


async def index(engine: Engine, request: Request) -> Response:  # noqa: ARG001 - a handler
    """Say what answers here, and where its contract is."""
    found = Index("Parley", "/openapi.json", "/docs", "/v1/realtime", "/readyz")
    return Response(HTTPStatus.OK, msgspec.json.encode(found))


async def healthz(engine: Engine, request: Request) -> Response:  # noqa: ARG001 - a handler
    """Say that the process answers; nothing else is asked."""
    return Response(HTTPStatus.OK, msgspec.json.encode(Health("ok")))


async def readyz(engine: Engine, request: Request) -> Response:  # noqa: ARG001 - a handler
    """Say whether requests can be served: the stores are open and answer a read."""
    if not await engine.ready():
        detail = "the stores are not open, or do not answer"
        raise HttpError("not_ready", detail)
    return Response(HTTPStatus.OK, msgspec.json.encode(Health("ready")))


async def openapi_json(engine: Engine, request: Request) -> Response:  # noqa: ARG001
    """Return the contract, made from the route table."""
    return Response(HTTPStatus.OK, openapi.document_bytes())


async def problem_page(engine: Engine, request: Request) -> Response:  # noqa: ARG001
    """Return the page of a problem code."""
    code = request.parameters["code"]
    if code not in problem.PROBLEMS:
        raise NotFoundError("there is no problem of that name")
    if request.media_type == JSON:
        known = problem.PROBLEMS[code]
        told = ProblemCode(code, known.title, known.status, known.advice)
        return Response(HTTPStatus.OK, msgspec.json.encode(told))
    return Response(
        HTTPStatus.OK, problem.page(code).encode(), content_type=f"{HTML}; charset=utf-8"
    )


async def metrics(caller: Caller, request: Request) -> Response:  # noqa: ARG001 - a handler
    """Return every metric in the text format of Prometheus; none of them tells tenants apart."""
    text = cast("Operator", caller).exposition.text()
    headers = (("Cache-Control", "no-store"),)
    return Response(HTTPStatus.OK, text, headers, content_type=exposition.CONTENT_TYPE)


API = Api(
    name="operations",
    summary="Health, metrics, the contract, and what each problem means.",
    routes=(
        Route(
            method="GET",
            path="/",
            name="index",
            summary="What answers here",
            handler=index,
            public=True,
            response=Index,
        ),
        Route(
            method="GET",
            path="/healthz",
            name="healthz",
            summary="Is the process alive?",
            handler=healthz,
            public=True,
            response=Health,
        ),
        Route(
            method="GET",
            path="/readyz",
            name="readyz",
            summary="Can it serve?",
            handler=readyz,
            public=True,
            response=Health,
            errors=("not_ready",),
        ),
        Route(
            method="GET",
            path="/openapi.json",
            name="openapi",
            summary="This contract",
            handler=openapi_json,
            public=True,
            response=Document,
            produces=(JSON,),
        ),
        Route(
            method="GET",
            path="/metrics",
            name="metrics",
            summary="The figures of this node, for Prometheus",
            handler=metrics,
            scopes=("admin:read",),
            workspace=True,
            response=str,
            produces=(exposition.MEDIA_TYPE, _TEXT),
        ),
        Route(
            method="GET",
            path="/problems/{code}",
            name="problem",
            summary="What a problem means, and what to do",
            handler=problem_page,
            public=True,
            response=ProblemCode,
            produces=(HTML, JSON),
        ),
    ),
)
