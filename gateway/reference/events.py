"""docs/reference/events.md: the catalogue of events."""

from collections.abc import Iterator

from engine.environment import FEATURES
from engine.feature import Feature, Payload
from gateway.api.conversation.resources import EventDocument
from gateway.reference import markdown
from gateway.reference.members import members

_INTRODUCTION = """\
Every type of event, with the members of its `data`. The same envelope stands around it at every
door:"""

_BELOW = """\
`schema` counts the shapes a type has had; a member is added without a new number, and none is
renamed or removed. A customer never sees an event that is for staff alone, such as that of a
private note; what else a customer is not shown of an event stands with it."""


def text() -> str:
    """Return the page."""
    parts = [part for feature in FEATURES for part in _feature(feature)]
    return markdown.page("Events", _INTRODUCTION, members(EventDocument), _BELOW, *parts)


def _feature(feature: Feature) -> Iterator[str]:
    if not feature.events:
        return
    yield f"## Of {markdown.code(feature.name)}"
    rows = [
        (f"[{kind.type_name}](#{_anchor(kind)})", str(kind.schema), _summary(kind))
        for kind in feature.events
    ]
    yield markdown.table(("type", "schema", ""), rows)
    for kind in feature.events:
        yield f"### {kind.type_name}"
        yield markdown.prose(kind.__doc__)
        yield from _rest(kind)


def _rest(kind: type[Payload]) -> Iterator[str]:
    if kind.resource:
        yield f"`id` comes first: the event's own UUID, as `{kind.resource}_…`."
    if kind.for_customers is not Payload.for_customers:
        yield f"For customers: {markdown.prose(kind.for_customers.__doc__)}"
    yield members(kind)


def _summary(kind: type[Payload]) -> str:
    return markdown.prose(kind.__doc__).split("\n", 1)[0]


def _anchor(kind: type[Payload]) -> str:
    return kind.type_name.replace(".", "")
