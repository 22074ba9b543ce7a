"""When what a customer follows must be looked at again: it may not be for it any longer. Pure.

Who is removed decides nothing here: a subscription of a customer ends behind every removal, and
whoever still takes part subscribes again. So no rule of access stands in two places.
"""

from engine.log.event import CUSTOMER, Event

PARTICIPANTS_CHANGED = "participants_changed"


def may_lose_access(event: Event, audience: str) -> bool:
    """Say whether ``audience`` may not follow the event's conversation any longer behind it."""
    return audience == CUSTOMER and event.type == "participant.removed"
