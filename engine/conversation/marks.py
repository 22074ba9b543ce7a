"""How far everybody has read a conversation: rules of a stream beside it, so that no version moves.

A mark is the newest word of its reader and never goes back. Pure.
"""

from dataclasses import dataclass, field, replace

from engine.actor.kind import Kind, StreamState, form_of
from engine.conversation.commands import AdvanceMark
from engine.conversation.events import NOBODY, Author, MarksAdvanced
from engine.conversation.state import seat
from engine.feature import Payload
from engine.limits import PARTICIPANTS_MAX
from engine.log.event import Event


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one reader has come."""

    conversation_id: str
    reader: Author
    version: int
    time_ms: int
    """When it came there (record time, Unix milliseconds)."""

    def up_to(self, version: int) -> "Mark":
        """Return the mark as somebody sees it for whom the conversation ends at ``version``."""
        return self if self.version <= version else replace(self, version=version)


@dataclass(slots=True)
class MarksState(StreamState):
    """The marks of one conversation, by reader: of those who read last, in that order."""

    marks: dict[str, Mark] = field(default_factory=dict)
    """By ``seat``: a customer is one reader, whatever it is called."""


def decide(state: MarksState, command: AdvanceMark) -> tuple[Payload, ...]:
    """Return the event that moves the mark on; none if its reader was as far before."""
    reader = command.reader
    known = state.marks.get(seat(reader, command.contact_id))
    if known is not None and known.version >= command.version:
        return ()
    return (MarksAdvanced(state.name, reader, command.contact_id, command.version),)


def apply(state: MarksState, event: Event) -> None:
    """Bring ``state`` behind ``event``, which has happened."""
    payload = event.payload
    if isinstance(payload, MarksAdvanced) and payload.reader != NOBODY:
        reader = payload.reader
        name = seat(reader, payload.contact_id)
        state.marks.pop(name, None)
        state.marks[name] = Mark(state.name, reader, payload.version, event.time_ms)
        while len(state.marks) > PARTICIPANTS_MAX:
            del state.marks[next(iter(state.marks))]


def subject(state: MarksState, payload: Payload) -> str:
    """Return whose key seals the payload: the reader's own if a customer, else the stream's."""
    contact_id = payload.contact_id if isinstance(payload, MarksAdvanced) else None
    return contact_id or state.name


def staff_only(payload: Payload) -> bool:
    """Say whether customers must never learn of the event: what staff reads is staff's."""
    return isinstance(payload, MarksAdvanced) and payload.reader.type != "user"


def marks_in(state: MarksState) -> tuple[Mark, ...]:
    """Return every mark."""
    return tuple(state.marks.values())


KIND = Kind(
    name="marks",
    initial=MarksState,
    decide=decide,
    apply=apply,
    subject=subject,
    staff_only=staff_only,
    form=form_of(MarksState, schema=1, owner=lambda state: state.name),
)
