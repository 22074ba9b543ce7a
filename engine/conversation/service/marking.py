"""How far everybody has read (shell): the newest mark of each reader, a few times a second."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import trio

from engine.actor.outcome import Accepted, Answer, Envelope, Origin, Outcome, Query
from engine.conversation.commands import AdvanceMark
from engine.conversation.conflicts import check_reached
from engine.conversation.events import Author
from engine.conversation.marks import Mark, MarksState, marks_in
from engine.conversation.service.asking import Asking
from engine.conversation.service.posting import Conversations
from engine.conversation.state import seat
from engine.errand import in_task
from engine.errors import ActorStoppedError, BusyError, OutcomeUnknownError, ParleyError
from engine.limits import ASK_SECONDS, MARK_SECONDS, MARKS_AT_ONCE_MAX, MARKS_WAITING_MAX
from engine.principal import Principal
from persistence.records import Stream

MARKS = "marks"

_Name = tuple[str, Author]


@dataclass(slots=True)
class _Waiting:
    """The newest mark of one reader, and those who wait to hear that it is on disk."""

    contact_id: str | None
    version: int
    actor: str
    answered: trio.Event = field(default_factory=trio.Event)
    outcome: Outcome | ParleyError | None = None

    def answer(self, outcome: Outcome | ParleyError) -> None:
        self.outcome = outcome
        self.answered.set()


class Marks:
    """Takes marks, last value wins, and writes them to ``marks/*`` streams."""

    def __init__(self, asking: Asking, conversations: Conversations) -> None:
        """Ask the actors of ``marks``; ``run`` must be running for marks to move."""
        self._asking = asking
        self._conversations = conversations
        self._waiting: dict[_Name, _Waiting] = {}
        self._wake = trio.Event()
        self._running = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what waits, at once and then every ``MARK_SECONDS``, until cancelled."""
        self._running = True
        task_status.started()
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                await self._write()
                await trio.sleep(MARK_SECONDS)
        finally:
            self._running = False
            for waiting in self._waiting.values():
                waiting.answer(ActorStoppedError("the server is stopping; try again"))
            self._waiting.clear()

    async def advance(
        self, principal: Principal, conversation: str, version: int, author: Author | None
    ) -> Mark:
        """Say that the caller has read up to ``version``; return its mark, which is on disk.

        A mark that is behind the known one changes nothing: the known one is returned.

        Raises:
            NotFoundError, AuthorMismatchError: as for a message.
            BadVersionError: the conversation has no such version for this key.
            BusyError: too many marks wait.
        """
        seen = await self._conversations.see(principal, conversation)
        check_reached(version, current=seen.version)
        reader = await self._conversations.writer(principal, author)
        await in_task()
        waiting = self._put(seen.id, reader, version, principal.subject)
        with trio.move_on_after(ASK_SECONDS):
            await waiting.answered.wait()
        if waiting.outcome is None:
            raise OutcomeUnknownError("no answer in time; send the mark again")
        if isinstance(waiting.outcome, ParleyError):
            raise waiting.outcome
        if isinstance(waiting.outcome, Accepted):
            mark: Mark = waiting.outcome.seen
            return mark if principal.staff else mark.up_to(seen.version)
        detail = "a mark was answered like a question"
        raise AssertionError(detail)

    async def list(self, principal: Principal, conversation: str) -> list[Mark]:
        """Return the marks of a conversation: a customer sees those of whom it knows.

        Raises:
            NotFoundError: there is no such conversation for this key.
        """
        seen = await self._conversations.see(principal, conversation)
        stream = Stream(MARKS, seen.id)
        answer = await self._asking.registry.ask(stream, Query(marks_in), Origin(actor=""))
        marks: Iterable[Mark] = answer.value if isinstance(answer, Answer) else ()
        if principal.staff:
            return list(marks)
        known = set(seen.participants)
        return [
            mark.up_to(seen.version)
            for mark in marks
            if mark.reader.type == "user" or mark.reader in known
        ]

    def _put(self, conversation_id: str, reader: Author, version: int, actor: str) -> _Waiting:
        name = (conversation_id, reader)
        found = self._waiting.get(name)
        if found is None:
            if not self._running:
                raise ActorStoppedError("the server is stopping; try again")
            if len(self._waiting) >= MARKS_WAITING_MAX:
                raise BusyError("too many marks are waiting to be written; try again shortly")
            contact_id = self._asking.contact_if_customer(reader)
            found = self._waiting[name] = _Waiting(contact_id, version, actor)
        found.version = max(found.version, version)
        self._wake.set()
        return found

    async def _write(self) -> None:
        """Turn what waits into commands: those of one conversation go in one turn, and one commit.

        What comes meanwhile waits for the next time; a stop leaves the rest to be told.
        """
        for number, name in enumerate(list(self._waiting)):
            conversation_id, reader = name
            mark = self._waiting.pop(name)
            command = AdvanceMark(reader, mark.contact_id, mark.version)
            envelope = Envelope(
                command,
                Origin(mark.actor),
                mark.answer,
                look=_mark_at(seat(reader, mark.contact_id)),
            )
            try:
                self._asking.registry.tell(Stream(MARKS, conversation_id), envelope)
            except ParleyError as error:
                mark.answer(error)
            if number % MARKS_AT_ONCE_MAX == MARKS_AT_ONCE_MAX - 1:
                await trio.lowlevel.checkpoint()


def _mark_at(name: str) -> Callable[[MarksState], Mark]:
    def look(state: MarksState) -> Mark:
        return state.marks[name]

    return look
