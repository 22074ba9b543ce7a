"""Making and changing conversations, and who takes part in them (shell)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from engine import ids
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
from engine.errand import in_task
from engine.errors import (
    FieldError,
    IdempotencyMismatchError,
    OutcomeUnknownError,
    OutOfRangeError,
    StorageError,
)
from engine.limits import COMMAND_KEY_SECONDS, REBUILDS_AT_ONCE_MAX, REPLAY_PAGE_RECORDS
from engine.log.log import Log, store_failures
from engine.principal import Principal
from persistence.protocols.documents import Documents


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
    size: int = 1024
    """Bytes it is counted with while it waits."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The receipt of a change: the conversation right behind it, which is on disk."""

    view: ConversationView
    replayed: bool


class Changing:
    """Changes conversations of one environment, with the rights of a principal.

    Errors of every method: those of ``Conversations.post``, as far as they apply.
    """

    def __init__(
        self, asking: Asking, log: Log, documents: Documents, *, now_ms: Callable[[], int]
    ) -> None:
        """Ask the actors; rebuild receipts from ``log``; note keys of new ones in ``documents``."""
        self._asking = asking
        self._log = log
        self._documents = documents
        self._now_ms = now_ms
        self._rebuilding = trio.CapacityLimiter(REBUILDS_AT_ONCE_MAX)

    async def create(self, principal: Principal, new: NewConversation, origin: Origin) -> Changed:
        """Make a conversation without a message, and wait until it is on disk.

        A repeated request with the same idempotency key finds what the first one made.

        Raises:
            ConflictError: there is one of this external id.
            ForbiddenError: a customer's key sets what only staff sorts by.
        """
        check_may_sort(principal, new.changes)
        requester = new.requester
        if requester is not None or not principal.staff:
            requester = access.author_of(principal, requester)
        conversation_id = self._wanted_id(principal, new.external_id)
        await self._check_unused(origin)
        command = CreateConversation(
            viewer=self._asking.viewer(principal),
            external_id=new.external_id,
            requester=requester,
            contact_id=await self._requester(principal, conversation_id, requester),
            changes=new.changes,
        )
        conversation_id = await self._reserved(conversation_id, origin)
        return await self._changed(conversation_id, command, origin, new.size)

    async def change(
        self,
        principal: Principal,
        conversation: str,
        changes: Changes,
        expectation: Expectation,
        origin: Origin,
        *,
        size: int = 1024,
    ) -> Changed:
        """Set fields of a conversation; nothing is written if they are so already.

        ``size``: the bytes it is counted with while it waits.
        """
        conversation_id, _ = self._asking.resolve(principal, conversation)
        viewer = self._asking.viewer(principal)
        command = ChangeConversation(viewer=viewer, changes=changes, **members(expectation))
        return await self._changed(conversation_id, command, origin, size)

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
        command = AddParticipant(
            viewer=self._asking.viewer(principal),
            participant=participant,
            contact_id=self._asking.contact_if_customer(participant),
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
        command = RemoveParticipant(
            viewer=viewer,
            participant=participant,
            contact_id=self._asking.contact_if_customer(participant),
            **members(expectation),
        )
        return await self._changed(conversation_id, command, origin)

    async def _changed(
        self, conversation_id: str, command: Command, origin: Origin, size: int = 256
    ) -> Changed:
        staff = command.viewer.staff

        def look(state: ConversationState) -> ConversationView:
            return view(state, staff=staff)

        outcome = await self._asking.command(conversation_id, command, origin, size=size, look=look)
        if isinstance(outcome, Replayed):
            with on_disk():
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
        await in_task()
        async with self._rebuilding:
            while state.version < version:
                page = await self._log.read(
                    stream_of(conversation_id),
                    after=state.version,
                    before=version + 1,
                    limit=REPLAY_PAGE_RECORDS,
                )
                if not page:
                    detail = f"{conversation_id} has no version {version}, which was answered"
                    raise AssertionError(detail)
                for event in page:
                    KIND.advance(state, event)
        return view(state, staff=staff)

    async def _requester(
        self, principal: Principal, conversation_id: str, requester: Author | None
    ) -> str | None:
        """Return the contact behind a requester; what is there already claims nobody."""
        if requester is None:
            return None
        if await self._asking.question(conversation_id, lambda state: state.created):
            return self._asking.contact_of(requester)[0]
        return await self._asking.claimed_contact(
            principal, requester, conversation_id, may_create=True
        )

    def _wanted_id(self, principal: Principal, external_id: str | None) -> str:
        """Return the TypeID of a conversation to be made.

        Raises:
            OutOfRangeError: an ``external_id`` in the form of our own.
            NotFoundError: the key is narrowed to other conversations.
        """
        conversation_id = ids.type_id(ids.CONVERSATION, ids.new_uuid())
        if external_id is not None:
            conversation_id, name = self._asking.resolve(principal, external_id)
            if name is None:
                detail = "an external_id is a name of your own, not an id of ours"
                errors = [FieldError("external_id", "out_of_range", detail)]
                raise OutOfRangeError(detail, errors=errors)
        access.check_named(principal, conversation_id)
        return conversation_id

    async def _reserved(self, conversation_id: str, origin: Origin) -> str:
        """Return the id to make a conversation under: a repeated request gets the first one's.

        The key is noted before anything is made, so that it belongs to one conversation even when
        a second body names another.

        Raises:
            IdempotencyMismatchError: the key was used with another body.
        """
        if origin.command_key is None:
            return conversation_id
        now_ms = self._now_ms()
        await in_task()
        with store_failures():
            kept = await self._documents.put_absent(
                _place(origin.command_key),
                msgspec.msgpack.encode((origin.fingerprint, conversation_id)),
                expires_ms=now_ms + COMMAND_KEY_SECONDS * 1000,
                now_ms=now_ms,
            )
        return _reserved_in(kept, origin)

    async def _check_unused(self, origin: Origin) -> None:
        """Refuse a key that another body has used, before anybody is claimed.

        Raises:
            IdempotencyMismatchError: it was.
        """
        if origin.command_key is not None:
            await in_task()
            with store_failures():
                kept = await self._documents.get(_place(origin.command_key), now_ms=self._now_ms())
            if kept is not None:
                _reserved_in(kept, origin)


def _place(command_key: bytes) -> str:
    return f"create {command_key.hex()}"


def _reserved_in(kept: bytes, origin: Origin) -> str:
    fingerprint, reserved = msgspec.msgpack.decode(kept, type=tuple[bytes, str])
    if fingerprint != origin.fingerprint:
        detail = "this idempotency key was used with another body; use a new key"
        raise IdempotencyMismatchError(detail)
    return reserved


@contextmanager
def on_disk() -> Iterator[None]:
    """Say of a failure that what was asked for may be done: it is on disk, the answer is not read.

    Raises:
        OutcomeUnknownError: repeat it with the same idempotency key to learn.
    """
    try:
        yield
    except StorageError as error:
        detail = "it was written, but cannot be read; repeat with the same idempotency key"
        raise OutcomeUnknownError(detail) from error


def members(expectation: Expectation) -> dict[str, Any]:
    """Return what a command carries of an expectation."""
    return {
        "expected_version": expectation.expected_version,
        "if_match": expectation.if_match,
    }
