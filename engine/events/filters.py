"""Which events a reader asked for. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.errors import FieldError, OutOfRangeError
from engine.feature import Catalogue
from engine.log.event import Event


@dataclass(frozen=True, slots=True)
class TypeFilter:
    """Exact types and whole nouns (``message.*``); ``None`` = every type."""

    types: frozenset[str] | None = None

    def matches(self, event: Event) -> bool:
        """Say whether the event is asked for."""
        return self.types is None or event.type in self.types


def type_filter(patterns: Iterable[str], catalogue: Catalogue) -> TypeFilter:
    """Return the filter for ``message.created``, ``message.*`` or ``*``; none of them = every type.

    Raises:
        OutOfRangeError: a pattern that matches no event type there is.
    """
    wanted: set[str] = set()
    everything = True
    for pattern in patterns:
        if pattern == "*":
            return TypeFilter()
        everything = False
        found = {name for name in catalogue if _matches(pattern, name)}
        if not found:
            raise _unknown(pattern, catalogue)
        wanted |= found
    return TypeFilter(None if everything else frozenset(wanted))


def _matches(pattern: str, name: str) -> bool:
    if pattern.endswith(".*"):
        return name.startswith(pattern[:-1])
    return pattern == name


def _unknown(pattern: str, catalogue: Catalogue) -> OutOfRangeError:
    detail = f"no event type matches {pattern[:80]!r}; there are {', '.join(sorted(catalogue))}"
    return OutOfRangeError(detail, errors=[FieldError("types", "out_of_range", detail)])
