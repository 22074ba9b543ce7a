"""Conversations made and changed through the whole engine: receipts, repetition, restarts."""

import pytest
import trio

from engine.conversation.commands import Changes
from engine.conversation.events import Author
from engine.conversation.service import Expectation, NewConversation
from engine.errors import (
    AuthorMismatchError,
    ConflictError,
    ForbiddenError,
    IdempotencyMismatchError,
    NotFoundError,
    VersionConflictError,
)
from engine.limits import REPLAY_PAGE_RECORDS
from tests.support.desks import Desk, opened
from tests.support.disks import MemoryDisk

AGENT = Author("agent", "ada")
USER = Author("user", "usr_45")
SORTED = Changes(
    status="closed", assignee=AGENT, priority="high", tags=("b", "a"), attributes={"order": 1042}
)


async def test_a_change_answers_with_the_conversation_right_behind_it() -> None:
    async with opened() as desk:
        await desk.post(desk.customer(), author=USER)
        changed = await desk.change(desk.staff, SORTED)
        assert not changed.replayed
        assert changed.view == await desk.environment.conversations.see(desk.staff, "conv_123")
        assert (changed.view.version, changed.view.status) == (6, "closed")
        assert (changed.view.assignee, changed.view.tags) == (AGENT, ("a", "b"))


async def test_the_events_of_one_change_are_one_commit_and_carry_its_key_once() -> None:
    async with opened() as desk:
        await desk.post(desk.customer(), author=USER)
        await desk.change(desk.staff, SORTED)
        events = (await desk.events())[2:]
        assert [event.command_key is not None for event in events] == [False] * 3 + [True]
        assert len({event.time_ms for event in events}) == 1


async def test_a_repeated_change_is_answered_as_it_was_also_after_a_restart() -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        await desk.post(desk.customer(), author=USER)
        first = await desk.change(desk.staff, SORTED, Expectation(if_match=2), key="k")
        await desk.change(desk.staff, Changes(status="open", assignee=None, tags=()))
        await desk.post(desk.customer(), author=USER)
        again = await desk.change(desk.staff, SORTED, Expectation(if_match=2), key="k")
        assert (again.view, again.replayed) == (first.view, True)
    async with opened(disk) as desk:
        again = await desk.change(desk.staff, SORTED, Expectation(if_match=2), key="k")
        assert (again.view, again.replayed) == (first.view, True)
        with pytest.raises(IdempotencyMismatchError):
            await desk.change(desk.staff, Changes(status="open"), key="k")
        seen = await desk.environment.conversations.see(desk.staff, "conv_123")
        assert (seen.status, seen.assignee) == ("open", None)
        assert len(await desk.events()) == 10


async def test_a_repeated_change_is_folded_over_many_pages() -> None:
    async with opened() as desk:
        await desk.post(desk.customer(), author=USER)
        for _ in range(REPLAY_PAGE_RECORDS):
            await desk.post(desk.staff, author=AGENT)
        first = await desk.change(desk.staff, Changes(priority="high"), key="k")
        await desk.post(desk.staff)
        again = await desk.change(desk.staff, Changes(priority="high"), key="k")
        assert (again.view, again.replayed) == (first.view, True)
        assert again.view.version == REPLAY_PAGE_RECORDS + 3


async def test_a_change_that_changes_nothing_writes_nothing() -> None:
    async with opened() as desk:
        await desk.post(desk.customer(), author=USER)
        first = await desk.change(desk.staff, SORTED)
        second = await desk.change(desk.staff, SORTED)
        assert (second.view, second.replayed) == (first.view, False)
        assert len(await desk.events()) == 6


async def test_of_racing_changes_with_one_if_match_one_wins() -> None:
    results: list[str] = []

    async def race(desk: Desk, number: int) -> None:
        changes = Changes(attributes={"winner": number})
        try:
            await desk.change(desk.staff, changes, Expectation(if_match=2))
        except VersionConflictError as error:
            results.append(f"lost at {error.current}")
        else:
            results.append("won")

    async with opened() as desk:
        await desk.post(desk.customer(), author=USER)
        async with trio.open_nursery() as nursery:
            for number in range(32):
                nursery.start_soon(race, desk, number)
        assert sorted(results) == ["lost at 3"] * 31 + ["won"]
        assert len(await desk.events()) == 3


async def test_racing_changes_of_different_fields_all_win() -> None:
    async with opened() as desk:
        await desk.post(desk.customer(), author=USER)
        fields = (Changes(priority="high"), Changes(tags=("a",)), Changes(channel="email"))
        async with trio.open_nursery() as nursery:
            for changes in fields:
                nursery.start_soon(desk.change, desk.staff, changes, Expectation(2))
        seen = await desk.environment.conversations.see(desk.staff, "conv_123")
        assert (seen.priority, seen.tags, seen.channel) == ("high", ("a",), "email")


async def test_a_conversation_without_an_external_id_is_made_once_a_key() -> None:
    disk = MemoryDisk()
    new = NewConversation(requester=USER, changes=Changes(tags=("a",)))
    async with opened(disk) as desk:
        first = await desk.create(desk.staff, new, key="k")
        again = await desk.create(desk.staff, new, key="k")
        assert (again.view, again.replayed, first.replayed) == (first.view, True, False)
        others = {(await desk.create(desk.staff, new)).view.id for _ in range(3)}
        assert len(others | {first.view.id}) == 4
        with pytest.raises(IdempotencyMismatchError):
            await desk.create(desk.staff, NewConversation(), key="k")
    async with opened(disk) as desk:
        again = await desk.create(desk.staff, new, key="k")
        assert (again.view, again.replayed) == (first.view, True)
        assert again.view.external_id is None


async def test_a_conversation_of_an_external_id_is_made_once() -> None:
    async with opened() as desk:
        new = NewConversation("conv_123", USER)
        first = await desk.create(desk.staff, new, key="k")
        assert (await desk.create(desk.staff, new, key="k")).view == first.view
        with pytest.raises(ConflictError) as refused:
            await desk.create(desk.staff, new)
        assert refused.value.members == {"conversation_id": first.view.id}
        assert (await desk.post(desk.staff)).event.stream.name == first.view.id


async def test_a_customer_makes_conversations_of_its_own_without_staffs_fields() -> None:
    async with opened() as desk:
        user = desk.customer(USER.id)
        made = await desk.create(user, NewConversation("conv_1"))
        assert (made.view.requester, made.view.participants) == (USER, (USER,))
        for new in (
            NewConversation("conv_2", changes=Changes(tags=("vip",))),
            NewConversation("conv_2", changes=Changes(status="open")),
        ):
            with pytest.raises(ForbiddenError):
                await desk.create(user, new)
        for requester in (AGENT, Author("user", "usr_46")):
            with pytest.raises(AuthorMismatchError):
                await desk.create(user, NewConversation("conv_2", requester))
        assert await desk.events("conv_2") == []
        with pytest.raises(NotFoundError):
            await desk.environment.conversations.see(desk.staff, "conv_2")


async def test_an_account_makes_conversations_for_its_own_users_alone() -> None:
    async with opened() as desk:
        made = await desk.create(desk.customer("acct_1"), NewConversation("conv_1", USER))
        assert made.view.requester == USER
        with pytest.raises(AuthorMismatchError):
            await desk.create(desk.customer("acct_2"), NewConversation("conv_2", USER))
        with pytest.raises(NotFoundError):
            await desk.environment.conversations.see(desk.customer("acct_2"), "conv_1")
        await desk.environment.conversations.see(desk.customer("acct_1"), "conv_1")


async def test_a_narrowed_key_makes_no_conversation_of_a_new_id() -> None:
    async with opened() as desk:
        mine, _ = desk.environment.conversations.resolve(desk.staff, "conv_mine")
        narrowed = desk.customer(conversations=frozenset({mine}))
        for external_id in (None, "conv_other"):
            with pytest.raises(NotFoundError):
                await desk.create(narrowed, NewConversation(external_id))
        assert (await desk.create(narrowed, NewConversation("conv_mine"))).view.id == mine


async def test_a_customer_changes_no_conversation_it_sees_and_finds_none_it_does_not() -> None:
    async with opened() as desk:
        await desk.post(desk.customer("acct_1"), author=USER)
        with pytest.raises(ForbiddenError):
            await desk.change(desk.customer("acct_1"), SORTED)
        for who, conversation in (
            (desk.customer("acct_2"), "conv_123"),
            (desk.customer("usr_2"), "conv_123"),
            (desk.staff, "conv_none"),
        ):
            with pytest.raises(NotFoundError):
                await desk.change(who, SORTED, conversation=conversation)
        assert len(await desk.events()) == 2


async def test_who_is_added_sees_and_writes_until_it_is_removed() -> None:
    disk, friend = MemoryDisk(), Author("user", "usr_46")
    async with opened(disk) as desk:
        see, him = desk.environment.conversations.see, desk.customer("usr_46")
        await desk.post(desk.customer("acct_1"), author=USER)
        with pytest.raises(NotFoundError):
            await see(him, "conv_123")
        added = await desk.add(friend, key="k")
        assert added.view.participants == (USER, friend)
        assert (await desk.add(friend, key="k")).replayed
        assert (await see(him, "conv_123")).version == 3
        assert (await desk.post(him)).event.version == 4
        removed = await desk.remove(friend)
        assert removed.view.participants == (USER,)
    async with opened(disk) as desk:
        him = desk.customer("usr_46")
        with pytest.raises(NotFoundError):
            await desk.environment.conversations.see(him, "conv_123")
        with pytest.raises(NotFoundError):
            await desk.post(him)
        with pytest.raises(NotFoundError):
            await desk.mark(him, 1)
        with pytest.raises(NotFoundError):
            await desk.environment.marks.list(him, "conv_123")
        await desk.add(friend)
        assert (await desk.post(him)).event.version == 7


async def test_an_account_loses_what_it_saw_by_a_user_that_is_removed() -> None:
    async with opened() as desk:
        see, account = desk.environment.conversations.see, desk.customer("acct_1")
        await desk.post(account, author=USER)
        await see(account, "conv_123")
        await desk.remove(USER)
        with pytest.raises(NotFoundError):
            await see(account, "conv_123")
        with pytest.raises(NotFoundError):
            await desk.post(account, author=USER)
