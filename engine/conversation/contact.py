"""The rules of one contact: the account whose key first wrote as a customer owns it for good."""

from dataclasses import dataclass

from engine.actor.kind import Kind, StreamState
from engine.conversation.commands import ClaimUser
from engine.conversation.events import UserCreated
from engine.errors import AuthorMismatchError
from engine.feature import Payload
from engine.log.event import Event


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose a contact is, and since when (record time, Unix milliseconds)."""

    account: str
    time_ms: int


@dataclass(slots=True)
class ContactState(StreamState):
    """What the actor of one contact knows."""

    claim: Claim | None = None


def decide(state: ContactState, command: ClaimUser) -> tuple[Payload, ...]:
    """Return the claim; nothing if it was made before."""
    if state.claim is not None and state.claim.account == command.account_id:
        return ()
    if state.claim is not None:
        detail = "this key may not write as this author"
        raise AuthorMismatchError(detail)
    return (
        UserCreated(id=state.name, external_id=command.external_id, account_id=command.account_id),
    )


def apply(state: ContactState, event: Event) -> None:
    """Bring ``state`` behind ``event``, which has happened."""
    if isinstance(event.payload, UserCreated):
        account = event.payload.account_id
        state.claim = Claim(account, event.time_ms) if account else None


def claim_in(state: ContactState) -> Claim | None:
    """Return the claim on the contact, if there is one."""
    return state.claim


def subject(state: ContactState, payload: Payload) -> str:  # noqa: ARG001 - a rule of Kind
    """Return whose key seals the payload: the contact's own."""
    return state.name


KIND = Kind(
    name="contact",
    initial=ContactState,
    decide=decide,
    apply=apply,
    subject=subject,
    staff_only=lambda payload: True,  # noqa: ARG005 - which customers an account has is staff's
)
