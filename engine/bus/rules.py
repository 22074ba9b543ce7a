"""What a feature declares of a view: its columns, and what each event means for them. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.ids import Veil
from engine.log.event import Event
from persistence.protocols.views import Change, Declaration


@dataclass(frozen=True, slots=True)
class ViewRules:
    """What a feature declares of a view."""

    declaration: Declaration
    fold: Callable[[Event, Veil], Sequence[Change]]
    """Event → what it changes in the view: pure, at most 32 changes, and no more of what a person
    wrote or is called than its hash."""
