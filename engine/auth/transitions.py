"""The rules of one credential."""

from dataclasses import dataclass

from engine.actor.kind import Kind, StreamState
from engine.auth.commands import CreateKey
from engine.auth.events import KeyCreated
from engine.errors import ConflictError
from engine.feature import Payload
from engine.log.event import Event


@dataclass(slots=True)
class CredentialState(StreamState):
    """What the actor of one key knows."""

    created: bool = False


def decide(state: CredentialState, command: CreateKey) -> tuple[Payload, ...]:
    """Return the events that ``command`` causes."""
    if state.created:
        detail = "this key exists already"
        raise ConflictError(detail)
    return (
        KeyCreated(
            id=state.name,
            name=command.name,
            environment=command.environment,
            scopes=list(command.scopes),
            sha256=command.sha256,
            hint=command.hint,
        ),
    )


def apply(state: CredentialState, event: Event) -> None:
    """Bring ``state`` behind ``event``, which has happened."""
    if isinstance(event.payload, KeyCreated):
        state.created = True


def subject(state: CredentialState, payload: Payload) -> str:  # noqa: ARG001 - a rule of Kind
    """Return whose key seals the payload: the credential is nobody's data but its own."""
    return state.name


KIND = Kind(
    name="credential",
    initial=CredentialState,
    decide=decide,
    apply=apply,
    subject=subject,
    staff_only=lambda payload: True,  # noqa: ARG005 - no customer reads about keys
)
