"""The view of whose a customer is: by it an account's keys find what they may see. Pure."""

from collections.abc import Sequence

from engine.bus.rules import ViewRules
from engine.conversation.events import UserCreated
from engine.ids import Veil
from engine.log.event import Event
from persistence.protocols.views import Change, Column, Declaration, Put

ACCOUNT = "account"

DECLARATION = Declaration(
    name="accounts",
    schema=1,
    columns=(Column(ACCOUNT), Column("claimed_ms", "integer")),
    indexes=((ACCOUNT, "claimed_ms"),),
)
"""By the TypeID of the customer."""


def fold(event: Event, veil: Veil) -> Sequence[Change]:
    """Return the customer's row when an account claims it; it keeps it for good."""
    if event.type != UserCreated.type_name:
        return ()
    account = veil.over(ACCOUNT, event.payload.account_id)
    return (Put(event.stream.name, {ACCOUNT: account, "claimed_ms": event.time_ms}),)


RULES = ViewRules(DECLARATION, fold)
