"""docs/reference/shapes.md: what bodies, answers and events are made of, by name."""

from collections.abc import Iterable, Iterator

import msgspec

from engine.environment import FEATURES
from gateway.api import APIS
from gateway.api.openapi import ProblemDocument
from gateway.reference import markdown
from gateway.reference.members import members, structs_in

_INTRODUCTION = "What bodies, answers and events are made of, by name."
_ROUTES = tuple(route for api in APIS for route in api.routes)


def text() -> str:
    """Return the page.

    Raises:
        ValueError: two structs have one name, so a link would not say which it means.
    """
    asked = _by_name(kind for route in _ROUTES if route.body for kind in _inside(route.body))
    events = [event for feature in FEATURES for event in feature.events]
    found = _by_name(
        (
            *asked.values(),
            *(kind for route in _ROUTES for kind in structs_in(route.response)),
            *(kind for event in events for kind in _inside(event)),
            *structs_in(ProblemDocument),
        )
    )
    parts = [part for name in sorted(found) for part in _shape(found[name], asked=name in asked)]
    return markdown.page("Shapes", _INTRODUCTION, *parts)


def _shape(kind: type[msgspec.Struct], *, asked: bool) -> Iterator[str]:
    yield f"## {kind.__name__}"
    yield markdown.prose(kind.__doc__)
    yield members(kind, asked=asked)


def _inside(kind: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """Return what a struct is made of, without itself: it stands on a page of its own."""
    return [one for one in structs_in(kind) if one is not kind]


def _by_name(kinds: Iterable[type[msgspec.Struct]]) -> dict[str, type[msgspec.Struct]]:
    found: dict[str, type[msgspec.Struct]] = {}
    for kind in kinds:
        if found.setdefault(kind.__name__, kind) is not kind:
            detail = f"two shapes are called {kind.__name__}: {kind.__module__} has one of them"
            raise ValueError(detail)
    return found
