"""Whose a customer is (shell)."""

from collections import OrderedDict

from engine.actor.outcome import Answer, Origin, Query
from engine.actor.registry import Registry
from engine.conversation.commands import ClaimUser
from engine.conversation.contact import Claim, claim_in
from engine.limits import CONTACTS_REMEMBERED
from persistence.records import Stream

CONTACT = "contact"


class Contacts:
    """Which account a customer belongs to. It is remembered, since it lasts as long as it does."""

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

    def forget(self, contact_id: str) -> None:
        """Ask again: the customer was erased, and belongs to nobody."""
        self._claims.pop(contact_id, None)

    def _remember(self, contact_id: str, claim: Claim) -> None:
        self._claims[contact_id] = claim
        while len(self._claims) > CONTACTS_REMEMBERED:
            self._claims.popitem(last=False)
