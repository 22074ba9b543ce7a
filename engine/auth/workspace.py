"""The rules of one workspace's own stream."""

from dataclasses import dataclass

from engine.actor.kind import Kind, StreamState
from engine.auth.commands import CreateWorkspace
from engine.auth.events import WorkspaceCreated
from engine.errors import ConflictError
from engine.feature import Payload
from engine.log.event import Event


@dataclass(slots=True)
class WorkspaceState(StreamState):
    """What the actor of one workspace knows."""

    created: bool = False


def decide(state: WorkspaceState, command: CreateWorkspace) -> tuple[Payload, ...]:
    """Return the events that ``command`` causes."""
    if state.created:
        detail = "this workspace exists already"
        raise ConflictError(detail)
    return (WorkspaceCreated(id=state.name, name=command.name),)


def apply(state: WorkspaceState, event: Event) -> None:
    """Bring ``state`` behind ``event``, which has happened."""
    if isinstance(event.payload, WorkspaceCreated):
        state.created = True


def subject(state: WorkspaceState, payload: Payload) -> str:  # noqa: ARG001 - a rule of Kind
    """Return whose key seals the payload: the name is the workspace's own."""
    return state.name


KIND = Kind(
    name="workspace",
    initial=WorkspaceState,
    decide=decide,
    apply=apply,
    subject=subject,
    staff_only=lambda payload: True,  # noqa: ARG005 - no customer reads about tenants
)
