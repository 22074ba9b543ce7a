"""docs/reference/routes.md: every route of every API."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from gateway.api import APIS
from gateway.api.contract import Api, Route
from gateway.api.openapi import EVERYWHERE, WITH_BODY, WITH_KEY
from gateway.http.query import Nothing
from gateway.reference import markdown
from gateway.reference.members import link, members


def _errors(codes: Iterable[str]) -> str:
    return ", ".join(f"[`{code}`](errors.md#{code})" for code in sorted(codes))


_INTRODUCTION = f"""\
Every route, from the table that is served; `/openapi.json` says the same to programs, and `/docs`
shows it in a browser.
Whatever answers `GET` answers `HEAD`.

A refusal is `application/problem+json`; [errors.md](errors.md) has every code. A route names those
of its own; beside them there are, for

- any route: {_errors(EVERYWHERE)}
- a route that needs a key: {_errors(WITH_KEY)}
- a route with a body: {_errors(WITH_BODY)}
- a route with a query: {_errors(("bad_parameter",))}"""

_NEEDS_NO_KEY = "no key"
_PARAMETER = re.compile(r"\{(\w+)\}")


def text() -> str:
    """Return the page."""
    parts = [part for api in APIS for part in _api(api)]
    return markdown.page("Routes", _INTRODUCTION, *parts)


def _api(api: Api) -> Iterator[str]:
    yield f"## The API {markdown.code(api.name)}"
    yield api.summary
    rows = [
        (_link(route), markdown.code(_line(route)), _key(route), route.summary)
        for route in api.routes
    ]
    yield markdown.table(("name", "route", "scopes", ""), rows)
    for route in api.routes:
        yield from _route(route)


def _route(route: Route) -> Iterator[str]:
    yield f"### {route.name}"
    yield markdown.code(_line(route))
    yield markdown.prose(route.handler.__doc__)
    yield "\n".join(f"- {line}" for line in _facts(route))
    if route.body is not None:
        yield "Body:"
        yield members(route.body, asked=True)
        yield from _example(route)
    if route.query is not Nothing:
        yield "Query:"
        yield members(route.query, asked=True, is_query=True)


def _facts(route: Route) -> Iterator[str]:
    yield f"Needs {_key(route)}{' of an admin key' if route.workspace else ''}."
    if found := _PARAMETER.findall(route.path):
        yield f"In the path: {markdown.codes(found)}."
    if route.mutating:
        remembers = "." if route.replays else ", and remembers none: it may be sent again as it is."
        yield f"Takes an `Idempotency-Key`{remembers}"
    if route.strict_body:
        yield "A member that stands twice in the body is refused."
    yield f"Answers {route.status} {_answer(route.response)} as {markdown.codes(route.produces)}."
    if route.errors or route.strict_body:
        own = {*route.errors, *(["duplicate_key"] if route.strict_body else [])}
        yield f"May refuse with {_errors(own)}."


def _example(route: Route) -> Iterator[str]:
    if route.examples:
        example = msgspec.json.format(msgspec.json.encode(route.examples), indent=2).decode()
        yield f"```json example\n{example}\n```"


def _answer(response: Any) -> str:
    if isinstance(response, type) and issubclass(response, msgspec.Struct):
        return link(response)
    return "text" if response is str else markdown.code(str(response))


def _key(route: Route) -> str:
    return markdown.codes(route.scopes) or _NEEDS_NO_KEY


def _link(route: Route) -> str:
    return f"[{route.name}](#{route.name})"


def _line(route: Route) -> str:
    return f"{route.method} {route.path}"
