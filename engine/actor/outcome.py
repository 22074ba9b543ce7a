"""What a command carries with it, and the answers it may get.

Structs, not dataclasses: a frozen one is made in 0.06 µs instead of 0.4, and a message needs five.
"""

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from engine.errors import ParleyError
from engine.log.event import Event

LOG = logging.getLogger("parley.actor")


class Origin(msgspec.Struct, frozen=True):
    """Who asks, and how the request is known again."""

    actor: str
    """The principal's subject: an account, a user or a key. It stands on the event."""
    command_key: bytes | None = None
    """16 bytes: environment, principal, method + path and idempotency key, hashed."""
    fingerprint: bytes | None = None
    """16 bytes: the body, hashed. The same key with another fingerprint is refused."""
    traceparent: str | None = None


class Accepted(msgspec.Struct, frozen=True):
    """The events are on disk; there are none if all that was asked for was so already."""

    events: tuple[Event, ...]
    seen: Any = None
    """What the envelope's ``look`` returned right behind them."""


class Replayed(msgspec.Struct, frozen=True):
    """The command was done before: its event has this version."""

    version: int


class Answer(msgspec.Struct, frozen=True):
    """What a query returned; everything it rests on is on disk."""

    value: Any


Outcome = Accepted | Replayed | Answer
Reply = Callable[[Outcome | ParleyError], None]


class Query(msgspec.Struct, frozen=True):
    """A question to an actor's state. ``ask`` is quick and returns nothing that changes later."""

    ask: Callable[[Any], Any]


class Envelope(msgspec.Struct, frozen=True):
    """A command in a mailbox. ``reply`` is called exactly once, on the loop, and must not raise."""

    command: Any
    origin: Origin
    reply: Reply
    size: int = 256
    """Bytes it is counted with."""
    look: Callable[[Any], Any] | None = None
    """Asked of the state right behind the command's events; like ``Query.ask``."""

    def answer(self, outcome: Outcome | ParleyError) -> None:
        """Give the asker its outcome. A door that cannot take it is logged, and harms nobody."""
        try:
            self.reply(outcome)
        except Exception as error:
            LOG.exception("an answer could not be given", exc_info=error)
