"""Lists of conversations: the view says which may be meant, their actors what they are (shell)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from msgspec import UNSET, UnsetType

from engine.bus.consumer import Consumer
from engine.conversation import access, accounts, listing
from engine.conversation.events import Author
from engine.conversation.service.asking import Asking
from engine.conversation.state import ConversationView
from engine.ids import Veil
from engine.limits import ACCOUNT_CUSTOMERS_LISTED_MAX, VIEW_WAIT_SECONDS
from engine.log.log import Log
from engine.principal import Principal
from persistence.limits import VIEW_ROWS_MAX
from persistence.protocols.views import KEY, AnyOf, Between, Condition, OneOf, Place, Query, Row

READS_MAX = 4
"""How often one page reads on when conversations turn out not to be meant; then it is short."""

SAMPLE_TRIES = 3
"""How often groups are counted again when one was assigned anew while its name was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which conversations, and in which order."""

    statuses: tuple[str, ...] = ()
    """Any of these; none = every one."""
    priorities: tuple[str, ...] = ()
    assignee: Author | UnsetType | None = UNSET
    """``None`` = those that nobody is responsible for."""
    tag: str | None = None
    requester: Author | None = None
    participant: Author | None = None
    updated_since_ms: int | None = None
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class Listed:
    """A page, the place to go on behind if there may be more, and how far the view had come."""

    items: list[ConversationView]
    following: Place | None
    as_of: int


@dataclass(frozen=True, slots=True)
class Counted:
    """How many conversations have each value, and how far the view had come."""

    groups: list[tuple[str | Author | None, int]]
    as_of: int


class Listing:
    """Finds conversations for a principal: what it may not see is on no list."""

    def __init__(
        self, asking: Asking, log: Log, consumers: Mapping[str, Consumer], veil: Veil
    ) -> None:
        """Find by the views of ``consumers``; look by ``asking``."""
        self._asking = asking
        self._log = log
        self._consumers = consumers
        self._veil = veil

    async def page(
        self, principal: Principal, wanted: Wanted, *, after: Place | None, limit: int
    ) -> Listed:
        """Return the next conversations behind ``after``; a short page may still have a next.

        Raises:
            ForbiddenError: a customer asks for what staff sorts by.
            NotFoundError, ForbiddenCharacterError: somebody's id is none.
            StorageError: the view does not answer.
        """
        order = "updated_ms" if principal.staff else "updated_public_ms"
        consumer, as_of = await self._ready()
        where = await self._where(principal, wanted, order)
        items: list[ConversationView] = []
        for _ in range(READS_MAX):
            query = Query(order, where, wanted.newest_first, after, limit + 1)
            rows = await consumer.read(query)
            for row in rows[:limit]:
                if len(items) == limit:
                    return Listed(items, after, as_of)
                after = _place(row, order)
                items += await self._seen(principal, row.key, wanted)
            if len(rows) <= limit:
                return Listed(items, None, as_of)
            if len(items) == limit:
                break
        return Listed(items, after, as_of)

    async def counts(self, principal: Principal, by: str, wanted: Wanted) -> Counted:
        """Return how many conversations have each value of ``by``: ``status`` or ``assignee``.

        Raises:
            ForbiddenError: how much there is to do is staff's to know.
            NotFoundError, ForbiddenCharacterError: somebody's id is none.
            StorageError: the view does not answer.
        """
        principal.require_staff("count conversations")
        counted, is_whole = await self._counted(principal, by, wanted)
        for _ in range(SAMPLE_TRIES):
            if is_whole:
                break
            counted, is_whole = await self._counted(principal, by, wanted)
        return counted

    async def _counted(self, principal: Principal, by: str, wanted: Wanted) -> tuple[Counted, bool]:
        """Return the counts, and whether every group has its name."""
        consumer, as_of = await self._ready()
        groups = await consumer.counts(by, await self._where(principal, wanted, "updated_ms"))
        found: list[tuple[str | Author | None, int]] = []
        name: str | Author | UnsetType | None
        for group in groups:
            if by == "assignee":
                name = await self._assignee(principal, group.sample, group.value)
            else:
                name = str(group.value)
            if name is not UNSET:
                found.append((name, group.count))
        return Counted(found, as_of), len(found) == len(groups)

    async def _ready(self) -> tuple[Consumer, int]:
        """Return the view's consumer when it is as far as the log is now, or time has run out."""
        consumer, head = self._consumers[listing.DECLARATION.name], self._log.committed()
        return consumer, await consumer.reached(head, within=VIEW_WAIT_SECONDS)

    async def _seen(
        self, principal: Principal, conversation_id: str, wanted: Wanted
    ) -> list[ConversationView]:
        """Return the conversation if this principal sees it and it is, now, what is wanted."""
        try:
            seen = await self._asking.see(principal, conversation_id)
        except access.HiddenError:
            return []
        return [seen] if self._is_wanted(seen, wanted) else []

    def _is_wanted(self, seen: ConversationView, wanted: Wanted) -> bool:
        """Say whether what its actor knows, which may be newer than the view, is asked for."""
        participants = {self._name(one) for one in seen.participants}
        return (
            (not wanted.statuses or seen.status in wanted.statuses)
            and (not wanted.priorities or seen.priority in wanted.priorities)
            and (wanted.assignee is UNSET or seen.assignee == wanted.assignee)
            and (wanted.tag is None or wanted.tag in seen.tags)
            and (wanted.requester is None or self._is(seen.requester, wanted.requester))
            and (wanted.participant is None or self._name(wanted.participant) in participants)
            and (wanted.updated_since_ms is None or seen.updated_ms >= wanted.updated_since_ms)
        )

    def _is(self, someone: Author | None, wanted: Author) -> bool:
        return someone is not None and self._name(someone) == self._name(wanted)

    def _name(self, author: Author) -> str:
        return listing.known_by(author, self._asking.contact_if_customer(author), self._veil)

    async def _where(
        self, principal: Principal, wanted: Wanted, order: str
    ) -> tuple[Condition, ...]:
        _check_may_ask(principal, wanted)
        found: list[Condition] = []
        if wanted.statuses:
            found.append(OneOf("status", wanted.statuses))
        if wanted.priorities:
            found.append(OneOf("priority", wanted.priorities))
        if wanted.assignee is not UNSET:
            someone = None if wanted.assignee is None else self._name(wanted.assignee)
            found.append(OneOf("assignee", (someone,)))
        if wanted.tag is not None:
            found.append(OneOf("tags", (self._veil.over(listing.TAG, wanted.tag),)))
        if wanted.requester is not None:
            found.append(OneOf("requester", (self._name(wanted.requester),)))
        if wanted.participant is not None:
            found.append(OneOf("participants", (self._name(wanted.participant),)))
        if wanted.updated_since_ms is not None:
            found.append(Between(order, wanted.updated_since_ms))
        if principal.conversations is not None:
            found.append(OneOf(KEY, tuple(principal.conversations)))
        if not principal.staff:
            found.append(await self._own(principal))
        return tuple(found)

    async def _own(self, principal: Principal) -> Condition:
        """Return what holds for every conversation a customer's key sees, and for few others."""
        viewer = self._asking.viewer(principal)
        names = (viewer.contact_id,)
        if viewer.account is None:
            return OneOf("participants", names)
        account = self._veil.over(listing.ACCOUNT, viewer.account)
        customers = await self._customers(account)
        return AnyOf((OneOf("participants", (*names, *customers)), OneOf("accounts", (account,))))

    async def _customers(self, account: str) -> list[str]:
        """Return the customers that an account has claimed, the newest first."""
        consumer = self._consumers[accounts.DECLARATION.name]
        await consumer.reached(self._log.committed(), within=VIEW_WAIT_SECONDS)
        found: list[str] = []
        after: Place | None = None
        while len(found) < ACCOUNT_CUSTOMERS_LISTED_MAX:
            where = (OneOf(accounts.ACCOUNT, (account,)),)
            query = Query("claimed_ms", where, descending=True, after=after, limit=VIEW_ROWS_MAX)
            rows = await consumer.read(query)
            found += [row.key for row in rows]
            if len(rows) < VIEW_ROWS_MAX:
                break
            after = _place(rows[-1], "claimed_ms")
        return found

    async def _assignee(
        self, principal: Principal, sample: str, name: str | int | None
    ) -> Author | UnsetType | None:
        """Return who is behind a hash; ``UNSET`` if the sample has another assignee by now."""
        if name is None:
            return None
        seen = await self._asking.see(principal, sample)
        if seen.assignee is None or self._name(seen.assignee) != name:
            return UNSET
        return seen.assignee


def _check_may_ask(principal: Principal, wanted: Wanted) -> None:
    """Refuse a customer that asks by what it cannot see.

    Raises:
        ForbiddenError: how staff sorts its work, and which agent reads along, is staff's.
    """
    is_of_staff = (
        wanted.priorities
        or wanted.assignee is not UNSET
        or wanted.tag is not None
        or (wanted.participant is not None and wanted.participant.type != "user")
    )
    if is_of_staff:
        principal.require_staff("ask by priority, assignee, tag or who of staff takes part")


def _place(row: Row, order: str) -> Place:
    return cast("int", row.values[order]), row.key
