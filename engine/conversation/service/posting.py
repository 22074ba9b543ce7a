"""Writing messages and looking at conversations (shell)."""

from typing import Any

import msgspec

from engine import ids
from engine.actor.outcome import Accepted, Envelope, Origin, Outcome, Replayed, Reply
from engine.conversation import access
from engine.conversation.commands import ParentHeader, PostMessage
from engine.conversation.events import Author, Flag, MessageCreated, Visibility
from engine.conversation.service.asking import Asking, stream_of
from engine.conversation.state import ConversationView
from engine.errors import BadParentError, ParleyError
from engine.log.event import Event
from engine.log.log import Log
from engine.principal import Principal


class NewMessage(msgspec.Struct, frozen=True):
    """A message as a client asks for it, checked for form but not for rights."""

    text: str
    author: Author | None = None
    type: str = "text"
    visibility: Visibility = "public"
    parent_id: str | None = None
    metadata: dict[str, Any] | None = None
    flags: tuple[Flag, ...] = ()
    expected_version: int | None = None
    if_match: int | None = None
    size: int = 1024
    """Bytes it is counted with while it waits."""


class Posted(msgspec.Struct, frozen=True):
    """The receipt of a message: its event, which is on disk."""

    event: Event
    replayed: bool


class Conversations:
    """Posts to and looks at conversations of one environment, with the rights of a principal."""

    def __init__(self, asking: Asking, log: Log) -> None:
        """Ask the actors; read what is committed from ``log``."""
        self._asking = asking
        self._log = log
        self.contacts = asking.contacts

    def resolve(self, principal: Principal, text: str) -> tuple[str, str | None]:
        """Return (TypeID, external id) of the conversation a client names (``Asking.resolve``)."""
        return self._asking.resolve(principal, text)

    async def see(self, principal: Principal, conversation: str) -> ConversationView:
        """Return a conversation as this principal may see it (``Asking.see``)."""
        return await self._asking.see(principal, conversation)

    async def post(
        self, principal: Principal, conversation: str, new: NewMessage, origin: Origin
    ) -> Posted:
        """Write a message and wait until it is on disk.

        Raises:
            NotFoundError: no such conversation for this key, and it may not make it.
            AuthorMismatchError, ForbiddenError: the key may not write so.
            BadParentError: ``parent_id`` is no message here that the author may see.
            VersionConflictError, BadVersionError: the conversation is not where it was expected.
            IdempotencyMismatchError, IdempotencyInProgressError: the key was used before.
            BusyError, OutcomeUnknownError: try again with the same idempotency key.
        """
        conversation_id, command = await self._prepare(principal, conversation, new)
        outcome = await self._asking.command(conversation_id, command, origin, size=new.size)
        return await self.receipt(conversation_id, outcome)

    async def tell(
        self,
        principal: Principal,
        conversation: str,
        new: NewMessage,
        origin: Origin,
        reply: Reply,
    ) -> None:
        """Write a message without waiting: ``reply`` gets the outcome.

        For doors that keep several commands in flight. Same errors as :meth:`post`, raised here
        as far as they are found before the actor decides. A ``HiddenError`` may be of what was
        true a moment ago: :meth:`post` it again, with the same origin.
        """
        conversation_id, command = await self._prepare(principal, conversation, new)
        account = command.viewer.account
        if account is not None:
            command = await self._asking.owning_if_hidden(conversation_id, command)
            reply = self._forgetting(conversation_id, account, reply)
        envelope = Envelope(command, origin, reply, new.size)
        self._asking.registry.tell(stream_of(conversation_id), envelope)

    def _forgetting(self, conversation_id: str, account: str, reply: Reply) -> Reply:
        """Return ``reply``, but look again next time if the conversation was hidden."""

        def answered(outcome: Outcome | ParleyError) -> None:
            if isinstance(outcome, access.HiddenError):
                self._asking.forget(conversation_id, account)
            reply(outcome)

        return answered

    async def writer(self, principal: Principal, wanted: Author | None) -> Author:
        """Return who a signal is from, with the rights of a message but without a claim.

        Raises:
            AuthorMismatchError: the key may not write as ``wanted``, or has not done so yet.
        """
        author = access.author_of(principal, wanted)
        if principal.account is not None and author.id != principal.subject:
            contact_id, _ = self._asking.contact_of(author)
            claim = await self.contacts.claim_of(contact_id)
            if claim is None or claim.account != principal.account:
                raise access.author_mismatch()
        return author

    async def receipt(self, conversation_id: str, outcome: Outcome) -> Posted:
        """Return the receipt of an outcome; a repeated command's is rebuilt from its event."""
        if isinstance(outcome, Accepted):
            return Posted(outcome.events[-1], replayed=False)
        if isinstance(outcome, Replayed):
            stream = stream_of(conversation_id)
            (event,) = await self._log.read(stream, after=outcome.version - 1, limit=1)
            return Posted(event, replayed=True)
        detail = "a message was answered like a question"
        raise AssertionError(detail)

    async def _prepare(
        self, principal: Principal, conversation: str, new: NewMessage
    ) -> tuple[str, PostMessage]:
        conversation_id, external_id = self.resolve(principal, conversation)
        author = access.author_of(principal, new.author)
        access.check_visibility(principal, new.visibility)
        contact_id = parent = None
        if author.type == "user":
            contact_id = await self._asking.claimed_contact(
                principal, author, conversation_id, may_create=external_id is not None
            )
        if new.parent_id is not None:
            parent = await self._parent(principal, conversation_id, new.parent_id)
        return conversation_id, PostMessage(
            viewer=self._asking.viewer(principal),
            author=author,
            contact_id=contact_id,
            type=new.type,
            text=new.text,
            visibility=new.visibility,
            metadata=new.metadata or {},
            flags=new.flags,
            parent=parent,
            create_as=external_id,
            expected_version=new.expected_version,
            if_match=new.if_match,
        )

    async def _parent(
        self, principal: Principal, conversation_id: str, parent_id: str
    ) -> ParentHeader:
        uuid = ids.uuid_of(ids.MESSAGE, parent_id)
        event = await self._log.find(uuid) if uuid else None
        if (
            event is None
            or event.stream != stream_of(conversation_id)
            or event.type != MessageCreated.type_name
            or not event.seen_by(principal.audience)
        ):
            detail = "parent_id is no message of this conversation"
            raise BadParentError(detail)
        return ParentHeader(parent_id, note=event.payload.visibility == "note")
