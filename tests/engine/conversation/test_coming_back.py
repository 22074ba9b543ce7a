"""Customers who leave and come back, through the whole engine: who sees, and who writes."""

import pytest

from engine.actor.outcome import Accepted
from engine.conversation.access import HiddenError
from engine.conversation.events import Author
from engine.errors import NotFoundError
from tests.support.desks import Desk, opened
from tests.support.disks import MemoryDisk

AGENT = Author("agent", "ada")
USER = Author("user", "usr_45")
FRIEND = Author("user", "usr_46")


def by_type_id(desk: Desk, author: Author) -> Author:
    """Return a customer as it is called by its contact."""
    contact_id, _ = desk.environment.external_ids.resolve("usr", author.id)
    return Author("user", contact_id)


async def test_a_customer_that_is_added_and_removed_by_either_of_its_names_is_one() -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        await desk.post(desk.staff, author=AGENT)
        await desk.add(by_type_id(desk, USER))
        assert (await desk.add(USER)).view.participants == (AGENT, by_type_id(desk, USER))
        assert (await desk.post(desk.customer(USER.id))).event.version == 4
        assert len(await desk.events()) == 4
    async with opened(disk) as desk:
        assert (await desk.remove(USER)).view.participants == (AGENT,)
        with pytest.raises(NotFoundError):
            await desk.environment.conversations.see(desk.customer(USER.id), "conv_123")
        with pytest.raises(NotFoundError):
            await desk.remove(by_type_id(desk, USER))
        assert len(await desk.events()) == 5


async def test_an_account_that_claims_somebody_who_had_left_sees_nothing_when_it_comes_back() -> (
    None
):
    disk = MemoryDisk()
    async with opened(disk) as desk:
        private = (await desk.post(desk.customer(USER.id), "between us")).event
        await desk.remove(USER)
        desk.later_than(private)
        account = desk.customer("acct_late")
        claimed = await desk.post(account, author=USER, conversation="conv_ours")
        desk.later_than(claimed.event)
        await desk.add(USER)
    for _ in range(2):
        async with opened(disk) as desk:
            see, account = desk.environment.conversations.see, desk.customer("acct_late")
            assert (await see(desk.customer(USER.id), "conv_123")).participants == (USER,)
            with pytest.raises(NotFoundError):
                await see(account, "conv_123")
            with pytest.raises(NotFoundError):
                await desk.post(account, author=USER)


async def test_an_account_sees_again_what_its_user_comes_back_to() -> None:
    async with opened() as desk:
        see, account = desk.environment.conversations.see, desk.customer("acct_1")
        await desk.post(account, author=USER)
        await desk.remove(USER)
        with pytest.raises(NotFoundError):
            await see(account, "conv_123")
        await desk.add(USER)
        assert (await see(account, "conv_123")).participants == (USER,)
        assert isinstance(await desk.told(account, author=USER), Accepted)


async def test_an_account_that_was_refused_once_is_looked_for_again() -> None:
    async with opened() as desk:
        account = desk.customer("acct_1")
        claimed = await desk.post(account, author=FRIEND, conversation="conv_ours")
        desk.later_than(claimed.event)
        await desk.post(account, author=USER)
        assert isinstance(await desk.told(account, author=USER), Accepted)
        await desk.remove(USER)
        assert isinstance(await desk.told(account, author=FRIEND), HiddenError)
        await desk.add(FRIEND)
        assert isinstance(await desk.told(account, author=FRIEND), Accepted)
        assert isinstance(await desk.told(account, author=FRIEND), Accepted)


async def test_who_left_lets_its_account_claim_nobody_there() -> None:
    async with opened() as desk:
        account = desk.customer("acct_1")
        claimed = await desk.post(account, author=FRIEND, conversation="conv_ours")
        desk.later_than(claimed.event)
        await desk.post(desk.staff, author=AGENT)
        await desk.add(FRIEND)
        await desk.environment.conversations.see(account, "conv_123")
        await desk.remove(FRIEND)
        with pytest.raises(NotFoundError):
            await desk.post(account, author=USER)
        await desk.post(desk.customer("acct_2"), author=USER, conversation="conv_2")


async def test_a_repeated_request_that_wrote_nothing_is_not_carried_out_later() -> None:
    async with opened() as desk:
        await desk.post(desk.customer(USER.id))
        added = await desk.add(FRIEND, key="first")
        nothing = await desk.add(FRIEND, key="second")
        assert (nothing.view, nothing.replayed) == (added.view, False)
        await desk.remove(FRIEND)
        again = await desk.add(FRIEND, key="second")
        assert (again.view, again.replayed) == (added.view, True)
        seen = await desk.environment.conversations.see(desk.staff, "conv_123")
        assert (seen.participants, seen.version) == ((USER,), 4)


async def test_a_note_of_an_agent_that_was_removed_shows_it_to_nobody() -> None:
    async with opened() as desk:
        customer = desk.customer(USER.id)
        await desk.post(customer)
        await desk.post(desk.staff, author=AGENT)
        await desk.remove(AGENT)
        see = desk.environment.conversations.see
        before = await see(customer, "conv_123")
        await desk.post(desk.staff, author=AGENT, visibility="note")
        assert await see(customer, "conv_123") == before
        assert before.participants == (USER,)
        assert (await see(desk.staff, "conv_123")).participants == (USER, AGENT)
        await desk.post(desk.staff, author=AGENT)
        assert (await see(customer, "conv_123")).participants == (USER, AGENT)
