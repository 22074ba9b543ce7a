"""The rules of the stream that tells of somebody's erasures. Nothing of the person is in it."""

from dataclasses import dataclass

from engine.actor.kind import Kind, StreamState
from engine.admin.commands import TellErased
from engine.admin.events import SubjectErased
from engine.feature import Payload
from engine.log.event import Event

KEY_SUBJECT = "erasures"
"""Whose key seals these events: the environment's own, for the subject's is destroyed."""


@dataclass(slots=True)
class SubjectState(StreamState):
    """What the actor of one subject knows."""

    told: int = 0
    """The number of the newest erasure that stands on the log."""


def decide(state: SubjectState, command: TellErased) -> tuple[Payload, ...]:
    """Return the event of an erasure; none if it was told before."""
    if command.number <= state.told:
        return ()
    return (SubjectErased(command.id, state.name, command.number),)


def apply(state: SubjectState, event: Event) -> None:
    """Bring ``state`` behind ``event``, which has happened."""
    if isinstance(event.payload, SubjectErased):
        state.told = event.payload.number


def subject(state: SubjectState, payload: Payload) -> str:  # noqa: ARG001 - a rule of Kind
    """Return whose key seals the payload: nobody's."""
    return KEY_SUBJECT


KIND = Kind(
    name="subject",
    initial=SubjectState,
    decide=decide,
    apply=apply,
    subject=subject,
    staff_only=lambda payload: True,  # noqa: ARG005 - customers do not hear who was erased
)
