"""The Events API publishes nothing of its own: it is the door to what the others publish."""

from engine.feature import Payload

EVENTS: tuple[type[Payload], ...] = ()
