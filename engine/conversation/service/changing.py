"""Making and changing conversations, and who takes part in them (shell)."""

from dataclasses import dataclass, field
from typing import Any

from engine.actor.outcome import Accepted, Origin, Replayed
from engine.conversation import access
from engine.conversation.changing import check_may_sort
from engine.conversation.commands import (
    AddParticipant,
    ChangeConversation,
    Changes,
    Command,
    CreateConversation,
    RemoveParticipant,
)
from engine.conversation.events import Author
from engine.conversation.service.asking import Asking, stream_of
from engine.conversation.state import ConversationState, ConversationView, view
from engine.conversation.transitions import KIND
from engine.limits import REPLAY_PAGE_RECORDS
from engine.log.log import Log
from engine.principal import Principal


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the caller has seen of the resource it changes."""

    expected_version: int | None = None
    if_match: int | None = None


ANYTHING = Expectation()


@dataclass(frozen=True, slots=True)
class NewConversation:
    """A conversation as a client asks for it."""

    external_id: str | None = None
    requester: Author | None = None
    changes: Changes = field(default_factory=Changes)


@dataclass(frozen=True, slots=True)
class Changed:
    """The receipt of a change: the conversation right behind it, which is on disk."""

    view: ConversationView
    replayed: bool


class Changing:
    """Changes conversations of one environment, with the rights of a principal.

    Errors of every method: those of ``Conversations.post``, as far as they apply.
    """

    def __init__(self, asking: Asking, log: Log) -> None:
        """Ask the actors; rebuild receipts from ``log``."""
        self._asking = asking
        self._log = log

    async def create(self, principal: Principal, new: NewConversation, origin: Origin) -> Changed:
        """Make a conversation without a message, and wait until it is on disk.

        Without an external id its id comes from the idempotency key, so that a repeated request
        finds what the first one made.

        Raises:
            ConflictError: there is one of this external id.
            ForbiddenError: a customer's key sets what only staff sorts by.
        """
        check_may_sort(principal, new.changes)
        requester = new.requester
        if requester is not None or not principal.staff:
            requester = access.author_of(principal, requester)
        conversation_id = self._new_id(principal, new.external_id, origin)
        contact_id = None
        if requester is not None:
            contact_id = await self._asking.claimed_contact(
                principal, requester, conversation_id, may_create=True
            )
        command = CreateConversation(
            viewer=self._asking.viewer(principal),
            external_id=new.external_id,
            requester=requester,
            contact_id=contact_id,
            changes=new.changes,
        )
        return await self._changed(conversation_id, command, origin)

    async def change(
        self,
        principal: Principal,
        conversation: str,
        changes: Changes,
        expectation: Expectation,
        origin: Origin,
    ) -> Changed:
        """Set fields of a conversation; nothing is written if they are so already."""
        conversation_id, _ = self._asking.resolve(principal, conversation)
        viewer = self._asking.viewer(principal)
        command = ChangeConversation(viewer=viewer, changes=changes, **members(expectation))
        return await self._changed(conversation_id, command, origin)

    async def add_participant(
        self,
        principal: Principal,
        conversation: str,
        participant: Author,
        expectation: Expectation,
        origin: Origin,
    ) -> Changed:
        """Let somebody take part."""
        conversation_id, _ = self._asking.resolve(principal, conversation)
        is_customer = participant.type == "user"
        command = AddParticipant(
            viewer=self._asking.viewer(principal),
            participant=participant,
            contact_id=self._asking.contact_of(participant)[0] if is_customer else None,
            **members(expectation),
        )
        return await self._changed(conversation_id, command, origin)

    async def remove_participant(
        self,
        principal: Principal,
        conversation: str,
        participant: Author,
        expectation: Expectation,
        origin: Origin,
    ) -> Changed:
        """Let somebody take part no more."""
        conversation_id, _ = self._asking.resolve(principal, conversation)
        viewer = self._asking.viewer(principal)
        command = RemoveParticipant(viewer=viewer, participant=participant, **members(expectation))
        return await self._changed(conversation_id, command, origin)

    async def _changed(self, conversation_id: str, command: Command, origin: Origin) -> Changed:
        staff = command.viewer.staff

        def look(state: ConversationState) -> ConversationView:
            return view(state, staff=staff)

        outcome = await self._asking.command(conversation_id, command, origin, look=look)
        if isinstance(outcome, Replayed):
            was = await self._as_it_was(conversation_id, outcome.version, staff=staff)
            return Changed(was, replayed=True)
        if isinstance(outcome, Accepted):
            return Changed(outcome.seen, replayed=False)
        detail = "a command was answered like a question"
        raise AssertionError(detail)

    async def _as_it_was(
        self, conversation_id: str, version: int, *, staff: bool
    ) -> ConversationView:
        """Return the conversation as it was right behind a command that is repeated: a fold."""
        state: ConversationState = KIND.initial(conversation_id)
        while state.version < version:
            page = await self._log.read(
                stream_of(conversation_id),
                after=state.version,
                before=version + 1,
                limit=REPLAY_PAGE_RECORDS,
            )
            for event in page:
                KIND.advance(state, event)
        return view(state, staff=staff)

    def _new_id(self, principal: Principal, external_id: str | None, origin: Origin) -> str:
        if external_id is not None:
            return self._asking.resolve(principal, external_id)[0]
        conversation_id = self._asking.fresh_id(origin.command_key)
        access.check_named(principal, conversation_id)
        return conversation_id


def members(expectation: Expectation) -> dict[str, Any]:
    """Return what a command carries of an expectation."""
    return {
        "expected_version": expectation.expected_version,
        "if_match": expectation.if_match,
    }
