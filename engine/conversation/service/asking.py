"""Asks the actors of conversations with the eyes of a principal (shell)."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from engine import ids
from engine.actor.outcome import Answer, Origin, Outcome, Query
from engine.actor.registry import Registry
from engine.conversation import access
from engine.conversation.access import Viewer
from engine.conversation.commands import Command
from engine.conversation.events import Author
from engine.conversation.service.contacts import Contacts
from engine.conversation.state import ConversationState, ConversationView, view
from engine.limits import CONTACTS_REMEMBERED
from engine.principal import Principal
from persistence.records import Stream

CONVERSATION = "conversation"
STAFF_VIEWER = Viewer(staff=True)

T = TypeVar("T")
AnyCommandOf = TypeVar("AnyCommandOf", bound=Command)


def stream_of(conversation_id: str) -> Stream:
    """Return the stream of a conversation by its TypeID."""
    return Stream(CONVERSATION, conversation_id)


class Asking:
    """What every door of the feature needs: names resolved, viewers, and actors asked.

    A customer that does not take part may still see a conversation through an account's user that
    the actor does not know of; then it is asked again with the contacts found to be the account's.
    """

    def __init__(self, registry: Registry, external_ids: ids.ExternalIds) -> None:
        """Ask the conversation actors of ``registry``."""
        self.registry = registry
        self.contacts = Contacts(registry)
        self._ids = external_ids
        self._looked: OrderedDict[tuple[str, str], None] = OrderedDict()

    def resolve(self, principal: Principal, text: str) -> tuple[str, str | None]:
        """Return (TypeID, external id) of the conversation a client names.

        Raises:
            NotFoundError: the key is narrowed to other conversations, or nothing has such an id.
            ForbiddenCharacterError: control characters in the id.
        """
        resolved = self._ids.resolve(ids.CONVERSATION, text)
        if principal.conversations is not None:
            access.check_named(principal, resolved[0])
        return resolved

    def contact_of(self, author: Author) -> tuple[str, str | None]:
        """Return (TypeID, external id) of a customer."""
        return self._ids.resolve(ids.USER, author.id)

    def contact_if_customer(self, author: Author) -> str | None:
        """Return the TypeID of a customer; staff has none."""
        return self.contact_of(author)[0] if author.type == "user" else None

    def viewer(self, principal: Principal) -> Viewer:
        """Return the eyes of a principal."""
        if principal.staff:
            return STAFF_VIEWER
        contact_id, _ = self._ids.resolve(ids.USER, principal.subject)
        return Viewer(staff=False, account=principal.account, contact_id=contact_id)

    async def command(
        self,
        conversation_id: str,
        command: Command,
        origin: Origin,
        *,
        size: int = 256,
        look: Callable[[ConversationState], Any] | None = None,
    ) -> Outcome:
        """Have a command carried out, as its viewer or as one of its account's users.

        Raises:
            ParleyError: the refusal or failure (see ``Registry.ask``).
        """
        stream = stream_of(conversation_id)
        try:
            return await self.registry.ask(stream, command, origin, size=size, look=look)
        except access.HiddenError:
            owning = await self.owning(conversation_id, command)
            return await self.registry.ask(stream, owning, origin, size=size, look=look)

    async def see(self, principal: Principal, conversation: str) -> ConversationView:
        """Return a conversation as this principal may see it; all of it is on disk.

        Raises:
            NotFoundError: there is none for this key.
        """
        conversation_id, _ = self.resolve(principal, conversation)
        viewer = self.viewer(principal)
        try:
            return await self._look(conversation_id, viewer)
        except access.HiddenError:
            if viewer.account is None:
                raise
            owned = await self.owned(conversation_id, viewer.account)
            return await self._look(conversation_id, replace(viewer, owned=owned))

    async def question(self, conversation_id: str, ask: Callable[[ConversationState], T]) -> T:
        """Return what ``ask`` finds in the state; everything it rests on is on disk."""
        stream = stream_of(conversation_id)
        outcome = await self.registry.ask(stream, Query(ask), Origin(actor=""))
        if isinstance(outcome, Answer):
            answer: T = outcome.value
            return answer
        detail = "a question was answered like a command"
        raise AssertionError(detail)

    async def owned(self, conversation_id: str, account: str) -> frozenset[str]:
        """Return the participants by whom ``account`` sees a conversation.

        They joined after the account had claimed them: a claim never opens what was said before.
        """

        def joined(state: ConversationState) -> list[tuple[str, int]]:
            return [(p.contact_id, p.joined_ms) for p in state.present() if p.contact_id]

        found = await self.question(conversation_id, joined)
        claims = {contact: await self.contacts.claim_of(contact) for contact, _ in found}
        return frozenset(
            contact
            for contact, since_ms in found
            if (claim := claims[contact]) and claim.account == account and claim.time_ms < since_ms
        )

    async def owns(self, conversation_id: str, account: str, contact_id: str) -> bool:
        """Say whether ``account`` sees a conversation by this one contact (see ``owned``)."""

        def joined(state: ConversationState) -> int | None:
            found = [p.joined_ms for p in state.present() if p.contact_id == contact_id]
            return found[0] if found else None

        since_ms = await self.question(conversation_id, joined)
        claim = await self.contacts.claim_of(contact_id) if since_ms is not None else None
        return (
            claim is not None
            and since_ms is not None
            and claim.account == account
            and claim.time_ms < since_ms
        )

    async def owning(self, conversation_id: str, command: AnyCommandOf) -> AnyCommandOf:
        """Return the command with the contacts found to be the account's.

        Raises:
            NotFoundError: there are none, so the conversation stays hidden.
        """
        account = command.viewer.account
        owned = await self.owned(conversation_id, account) if account else frozenset()
        if not owned:
            raise access.not_found()
        return replace(command, viewer=replace(command.viewer, owned=owned))

    def forget(self, conversation_id: str, account: str | None) -> None:
        """Look again next time: what was seen before is hidden now."""
        if account is not None:
            self._looked.pop((conversation_id, account), None)

    def forget_contact(self, contact_id: str) -> None:
        """Look again at everything that was seen with the eyes of a customer, or of its account."""
        self.contacts.forget(contact_id)
        self._looked.clear()

    async def owning_if_hidden(self, conversation_id: str, command: AnyCommandOf) -> AnyCommandOf:
        """Look once per account and conversation; the actor itself decides every time."""
        account = command.viewer.account
        if account is None or (conversation_id, account) in self._looked:
            return command

        def look(state: ConversationState) -> tuple[bool, bool]:
            return state.created, access.takes_part(state, command.viewer)

        created, visible = await self.question(conversation_id, look)
        if not visible:
            return await self.owning(conversation_id, command) if created else command
        self._looked[conversation_id, account] = None
        while len(self._looked) > CONTACTS_REMEMBERED:
            self._looked.popitem(last=False)
        return command

    async def claimed_contact(
        self, principal: Principal, author: Author, conversation_id: str, *, may_create: bool
    ) -> str | None:
        """Return the contact behind a customer's words, claimed for the account that writes.

        A message that will be refused claims nobody, so a first claim looks before it leaps.

        Raises:
            AuthorMismatchError: the customer belongs to another account.
            NotFoundError: the key may not write there.
        """
        if author.type != "user":
            return None
        contact_id, external_id = self.contact_of(author)
        account = principal.account
        if account is None or author.id == principal.subject:
            return contact_id
        if not self.contacts.knows(contact_id, account):
            await self._check_writable(conversation_id, self.viewer(principal), may_create)
            await self.contacts.claim(contact_id, external_id, account)
        return contact_id

    async def _check_writable(
        self,
        conversation_id: str,
        viewer: Viewer,
        may_create: bool,  # noqa: FBT001
    ) -> None:
        def writable(state: ConversationState) -> bool:
            return access.takes_part(state, viewer) if state.created else may_create

        if await self.question(conversation_id, writable):
            return
        if viewer.account is None or not await self.owned(conversation_id, viewer.account):
            raise access.not_found()

    async def _look(self, conversation_id: str, viewer: Viewer) -> ConversationView:
        def look(state: ConversationState) -> ConversationView:
            access.check_visible(state, viewer)
            return view(state, staff=viewer.staff)

        return await self.question(conversation_id, look)
