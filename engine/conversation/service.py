"""The doors of the feature: prepares a command, asks the actor, finds the receipt (shell)."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from engine import ids
from engine.actor.outcome import Accepted, Answer, Envelope, Origin, Outcome, Query, Replayed, Reply
from engine.actor.registry import Registry
from engine.conversation import access
from engine.conversation.access import Viewer
from engine.conversation.commands import ClaimUser, ParentHeader, PostMessage
from engine.conversation.contact import Claim, claim_in
from engine.conversation.events import Author, Visibility
from engine.conversation.state import ConversationState, ConversationView, view
from engine.errors import BadParentError, NotFoundError
from engine.limits import CONTACTS_REMEMBERED
from engine.log.event import Event
from engine.log.log import Log
from engine.principal import Principal
from persistence.records import Stream

CONVERSATION = "conversation"
CONTACT = "contact"


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as a client asks for it, checked for form but not for rights."""

    text: str
    author: Author | None = None
    type: str = "text"
    visibility: Visibility = "public"
    parent_id: str | None = None
    metadata: dict[str, Any] | None = None
    expected_version: int | None = None
    if_match: int | None = None
    size: int = 1024
    """Bytes it is counted with while it waits."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The receipt of a message: its event, which is on disk."""

    event: Event
    replayed: bool


def stream_of(conversation_id: str) -> Stream:
    """Return the stream of a conversation by its TypeID."""
    return Stream(CONVERSATION, conversation_id)


class Contacts:
    """Which account a customer belongs to. Once known it never changes, so it may be remembered."""

    def __init__(self, registry: Registry) -> None:
        """Ask the contact actors of ``registry``."""
        self._registry = registry
        self._claims: OrderedDict[str, Claim] = OrderedDict()

    async def claim(self, contact_id: str, external_id: str | None, account: str) -> None:
        """Make the contact the account's, unless it is another's.

        Raises:
            AuthorMismatchError: it belongs to another account.
        """
        stream = Stream(CONTACT, contact_id)
        await self._registry.ask(stream, ClaimUser(external_id, account), Origin(actor=account))
        await self.claim_of(contact_id)

    def knows(self, contact_id: str, account: str) -> bool:
        """Say whether the contact is remembered as the account's."""
        claim = self._claims.get(contact_id)
        return claim is not None and claim.account == account

    async def claim_of(self, contact_id: str) -> Claim | None:
        """Return the claim on a contact; ``None`` while no account's key wrote as it."""
        known = self._claims.get(contact_id)
        if known is not None:
            return known
        answer = await self._registry.ask(
            Stream(CONTACT, contact_id), Query(claim_in), Origin(actor="")
        )
        claim: Claim | None = answer.value if isinstance(answer, Answer) else None
        if claim is not None:
            self._remember(contact_id, claim)
        return claim

    def _remember(self, contact_id: str, claim: Claim) -> None:
        self._claims[contact_id] = claim
        while len(self._claims) > CONTACTS_REMEMBERED:
            self._claims.popitem(last=False)


class Conversations:
    """Posts to and reads conversations of one environment, with the rights of a principal."""

    def __init__(self, registry: Registry, log: Log, external_ids: ids.ExternalIds) -> None:
        """Ask the conversation actors of ``registry``; read what is committed from ``log``."""
        self._registry = registry
        self._log = log
        self._ids = external_ids
        self._looked: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.contacts = Contacts(registry)

    def resolve(self, principal: Principal, text: str) -> tuple[str, str | None]:
        """Return (TypeID, external id) of the conversation a client names.

        Raises:
            NotFoundError: the key is narrowed to other conversations, or nothing has such an id.
            ForbiddenCharacterError: control characters in the id.
        """
        conversation_id, external_id = self._ids.resolve(ids.CONVERSATION, text)
        access.check_named(principal, conversation_id)
        return conversation_id, external_id

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
        stream = stream_of(conversation_id)
        try:
            outcome = await self._registry.ask(stream, command, origin, size=new.size)
        except NotFoundError:
            owning = await self._owning(conversation_id, command)
            outcome = await self._registry.ask(stream, owning, origin, size=new.size)
        return await self.receipt(conversation_id, outcome)

    async def tell(
        self,
        principal: Principal,
        conversation: str,
        new: NewMessage,
        origin: Origin,
        reply: Reply,
    ) -> str:
        """Write a message without waiting: ``reply`` gets the outcome. Return the id it went to.

        For doors that keep several commands in flight. Same errors as :meth:`post`, raised here
        as far as they are found before the actor decides.
        """
        conversation_id, command = await self._prepare(principal, conversation, new)
        command = await self._owning_if_hidden(conversation_id, command)
        envelope = Envelope(command, origin, reply, new.size)
        self._registry.tell(stream_of(conversation_id), envelope)
        return conversation_id

    async def writer(self, principal: Principal, wanted: Author | None) -> Author:
        """Return who a signal is from, with the rights of a message but without a claim.

        Raises:
            AuthorMismatchError: the key may not write as ``wanted``, or has not done so yet.
        """
        author = access.author_of(principal, wanted)
        if principal.account is not None and author.id != principal.subject:
            contact_id, _ = self._ids.resolve(ids.USER, author.id)
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

    async def see(self, principal: Principal, conversation: str) -> ConversationView:
        """Return a conversation as this principal may see it; all of it is on disk.

        Raises:
            NotFoundError: there is none for this key.
        """
        conversation_id, _ = self.resolve(principal, conversation)
        viewer = self._viewer(principal)
        try:
            return await self._look(conversation_id, viewer)
        except NotFoundError:
            if viewer.account is None:
                raise
            owned = await self._owned(conversation_id, viewer.account)
            return await self._look(conversation_id, replace(viewer, owned=owned))

    async def _prepare(
        self, principal: Principal, conversation: str, new: NewMessage
    ) -> tuple[str, PostMessage]:
        conversation_id, external_id = self.resolve(principal, conversation)
        author = access.author_of(principal, new.author)
        access.check_visibility(principal, new.visibility)
        viewer = self._viewer(principal)
        contact_id = await self._contact(principal, author, conversation_id, external_id, viewer)
        return conversation_id, PostMessage(
            viewer=viewer,
            author=author,
            contact_id=contact_id,
            type=new.type,
            text=new.text,
            visibility=new.visibility,
            metadata=new.metadata or {},
            parent=await self._parent(principal, conversation_id, new.parent_id),
            create_as=external_id,
            expected_version=new.expected_version,
            if_match=new.if_match,
        )

    async def _contact(
        self,
        principal: Principal,
        author: Author,
        conversation_id: str,
        create_as: str | None,
        viewer: Viewer,
    ) -> str | None:
        """Return the contact behind a customer's words, claimed for the account that writes.

        A message that will be refused claims nobody, so a first claim looks before it leaps.
        """
        if author.type != "user":
            return None
        contact_id, external_id = self._ids.resolve(ids.USER, author.id)
        account = principal.account
        if account is None or author.id == principal.subject:
            return contact_id
        if not self.contacts.knows(contact_id, account):
            await self._check_writable(conversation_id, create_as, viewer)
            await self.contacts.claim(contact_id, external_id, account)
        return contact_id

    async def _check_writable(
        self, conversation_id: str, create_as: str | None, viewer: Viewer
    ) -> None:
        def writable(state: ConversationState) -> bool:
            return access.takes_part(state, viewer) if state.created else create_as is not None

        if await self._question(conversation_id, writable):
            return
        if viewer.account is None or not await self._owned(conversation_id, viewer.account):
            raise access.not_found()

    async def _parent(
        self, principal: Principal, conversation_id: str, parent_id: str | None
    ) -> ParentHeader | None:
        if parent_id is None:
            return None
        uuid = ids.uuid_of(ids.MESSAGE, parent_id)
        event = await self._log.find(uuid) if uuid else None
        if (
            event is None
            or event.stream != stream_of(conversation_id)
            or event.type != "message.created"
            or not event.seen_by(principal.audience)
        ):
            detail = "parent_id is no message of this conversation"
            raise BadParentError(detail)
        return ParentHeader(parent_id, note=event.payload.visibility == "note")

    def _viewer(self, principal: Principal) -> Viewer:
        if principal.staff:
            return Viewer(staff=True)
        contact_id, _ = self._ids.resolve(ids.USER, principal.subject)
        return Viewer(staff=False, account=principal.account, contact_id=contact_id)

    async def _look(self, conversation_id: str, viewer: Viewer) -> ConversationView:
        def look(state: ConversationState) -> ConversationView:
            access.check_visible(state, viewer)
            return view(state, staff=viewer.staff)

        seen: ConversationView = await self._question(conversation_id, look)
        return seen

    async def _owned(self, conversation_id: str, account: str) -> frozenset[str]:
        """Return the participants by whom ``account`` sees a conversation.

        They joined after the account had claimed them: a claim never opens what was said before.
        """

        def joined(state: ConversationState) -> list[tuple[str, int]]:
            people = state.participants.values()
            return [(p.contact_id, p.joined_ms) for p in people if p.contact_id]

        found: list[tuple[str, int]] = await self._question(conversation_id, joined)
        claims = {contact: await self.contacts.claim_of(contact) for contact, _ in found}
        return frozenset(
            contact
            for contact, since_ms in found
            if (claim := claims[contact]) and claim.account == account and claim.time_ms < since_ms
        )

    async def _owning(self, conversation_id: str, command: PostMessage) -> PostMessage:
        """Return the command with the contacts found to be the account's.

        Raises:
            NotFoundError: there are none, so the conversation stays hidden.
        """
        account = command.viewer.account
        owned = await self._owned(conversation_id, account) if account else frozenset()
        if not owned:
            raise access.not_found()
        return replace(command, viewer=replace(command.viewer, owned=owned))

    async def _owning_if_hidden(self, conversation_id: str, command: PostMessage) -> PostMessage:
        """Look once per account and conversation; the actor itself decides every time."""
        account = command.viewer.account
        if account is None or (conversation_id, account) in self._looked:
            return command

        def look(state: ConversationState) -> tuple[bool, bool]:
            return state.created, access.takes_part(state, command.viewer)

        created, visible = await self._question(conversation_id, look)
        if not visible:
            return await self._owning(conversation_id, command) if created else command
        self._looked[conversation_id, account] = None
        while len(self._looked) > CONTACTS_REMEMBERED:
            self._looked.popitem(last=False)
        return command

    async def _question(self, conversation_id: str, ask: Callable[[ConversationState], Any]) -> Any:
        outcome = await self._registry.ask(stream_of(conversation_id), Query(ask), Origin(actor=""))
        return outcome.value if isinstance(outcome, Answer) else None
