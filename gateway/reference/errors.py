"""docs/reference/errors.md: every problem code."""

from collections.abc import Iterator

from gateway.api import APIS
from gateway.api.openapi import ProblemDocument
from gateway.http.problem import CONTENT_TYPE, PROBLEMS
from gateway.reference import markdown
from gateway.reference.members import members

_INTRODUCTION = f"""\
Every refusal and every failure is `{CONTENT_TYPE}` (RFC 9457). Read `code`: it never
changes its meaning. `type` is a page of the server that says what to do, and `request_id` finds the
request in the log."""


def text() -> str:
    """Return the page."""
    rows = [
        (f"[`{code}`](#{code})", str(known.status), known.title)
        for code, known in sorted(PROBLEMS.items())
    ]
    listed = markdown.table(("code", "status", ""), rows)
    parts = [part for code in sorted(PROBLEMS) for part in _problem(code)]
    shape = members(ProblemDocument)
    return markdown.page("Errors", _INTRODUCTION, shape, "## Codes", listed, *parts)


def _problem(code: str) -> Iterator[str]:
    known = PROBLEMS[code]
    yield f"### {code}"
    yield f"{known.status}: {known.title}. {known.advice}"
    routes = [route.name for api in APIS for route in api.routes if code in route.errors]
    if routes:
        yield "Named by " + ", ".join(f"[{name}](routes.md#{name})" for name in routes) + "."
