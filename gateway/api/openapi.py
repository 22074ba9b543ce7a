"""The OpenAPI 3.1 document, made from the route table: it cannot say what the routes do not do.

``publish`` is called once, by the composition root, with the table that is being served.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.api.contract import Api, Route
from gateway.http.media_types import HTML, JSON
from gateway.http.problem import CONTENT_TYPE, PROBLEMS
from gateway.http.query import Nothing

_PARAMETER = re.compile(r"\{(\w+)\}")
_COMPONENT = "#/components/schemas/{name}"
EVERYWHERE = ("not_acceptable", "internal")
"""Codes any route may answer with; below: any that asks for a key, any that takes a body."""
WITH_KEY = ("unauthenticated", "missing_scope", "forbidden", "not_found")
WITH_BODY = (
    "malformed_json",
    "too_deep",
    "too_large",
    "unsupported_media_type",
    "wrong_type",
    "unknown_field",
    "out_of_range",
    "forbidden_character",
    "bad_idempotency_key",
)


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one member."""

    field: str
    code: str
    detail: str


class ProblemDocument(msgspec.Struct, frozen=True):
    """A refusal or a failure (RFC 9457). `code` is stable; the page `type` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    instance: str | None = None
    errors: list[FieldProblem] = []


_published: list[bytes] = []


def publish(apis: Iterable[Api], *, version: str) -> None:
    """Make the document that is served from now on."""
    _published[:] = [msgspec.json.encode(document(apis, version=version), order="deterministic")]


def document_bytes() -> bytes:
    """Return the served document as JSON."""
    return _published[0]


def document(apis: Iterable[Api], *, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of ``apis``."""
    apis = tuple(apis)
    routes = [route for api in apis for route in api.routes]
    types = [ProblemDocument, *_types(routes)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_COMPONENT)
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for api in apis:
        for route in api.routes:
            entry = _operation(api, route, schema_of)
            paths.setdefault(route.path, {})[route.method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parley",
            "version": version,
            "summary": "Self-hosted realtime messaging for support platforms",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": api.name, "description": api.summary} for api in apis],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _types(routes: Iterable[Route]) -> list[Any]:
    found = []
    for route in routes:
        found += [kind for kind in (route.body, route.response) if kind is not None]
    return found


def _operation(api: Api, route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [api.name],
        "summary": route.summary,
        "description": (route.handler.__doc__ or route.summary).strip(),
        "parameters": _parameters(route),
        "responses": _responses(route, schema_of),
        "security": [] if route.public else [{"key": []}],
    }
    if route.scopes:
        operation["x-required-scopes"] = list(route.scopes)
    if route.body is not None:
        content: dict[str, Any] = {"schema": schema_of[repr(route.body)]}
        if route.examples:
            content["example"] = route.examples
        operation["requestBody"] = {"required": True, "content": {JSON: content}}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    if route.query is not Nothing:
        found += _query_parameters(route.query)
    if route.mutating:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": (
                    "The same key and body again give the same answer, once."
                    if route.replays
                    else "Checked for its form: there is nothing here to do twice."
                ),
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        )
    return found


def _query_parameters(kind: type[msgspec.Struct]) -> list[dict[str, Any]]:
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    return [
        {"name": name, "in": "query", "required": False, "schema": member}
        for name, member in schema["properties"].items()
    ]


def _responses(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    answer = schema_of[repr(route.response)]
    found: dict[str, Any] = {
        str(route.status): {
            "description": route.summary,
            "headers": {"Request-Id": {"schema": {"type": "string"}}},
            "content": {
                kind: {"schema": {"type": "string"} if kind == HTML else answer}
                for kind in route.produces
            },
        }
    }
    for code in codes_of(route):
        status = str(PROBLEMS[code].status)
        entry = found.setdefault(status, _problem(schema_of))
        entry["description"] = f"{entry['description']} `{code}`".strip()
    return found


def codes_of(route: Route) -> tuple[str, ...]:
    """Return every problem code a route may answer with."""
    codes = [*EVERYWHERE, *route.errors]
    if not route.public:
        codes += WITH_KEY
    if route.body is not None:
        codes += WITH_BODY
    if route.strict_body:
        codes.append("duplicate_key")
    if route.query is not Nothing:
        codes.append("bad_parameter")
    return tuple(dict.fromkeys(codes))


def _problem(schema_of: dict[str, Any]) -> dict[str, Any]:
    schema = schema_of[repr(ProblemDocument)]
    return {"description": "", "content": {CONTENT_TYPE: {"schema": schema}}}
