"""Messages through the whole engine: rights, claims, repetition and restarts."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.actor.outcome import Accepted, Origin, Outcome
from engine.conversation.events import Author
from engine.conversation.service import NewMessage
from engine.errors import (
    AuthorMismatchError,
    BadParentError,
    ForbiddenError,
    IdempotencyMismatchError,
    NotFoundError,
    OutcomeUnknownError,
    ParleyError,
)
from tests.support.desks import Desk, opened
from tests.support.disks import MemoryDisk

AGENT = Author("agent", "ada")
USER = Author("user", "usr_45")


async def test_the_first_message_makes_the_conversation_and_the_second_does_not() -> None:
    async with opened() as desk:
        first = await desk.post(desk.customer(), author=USER)
        second = await desk.post(desk.customer(), author=USER)
        assert (first.event.version, second.event.version) == (2, 3)
        types = [event.type for event in await desk.events()]
        assert types == ["conversation.created", "message.created", "message.created"]
        assert first.event.resource_id == first.event.id.replace("evt_", "msg_")


async def test_an_id_of_ours_that_does_not_exist_is_not_found() -> None:
    async with opened() as desk:
        conversation_id, _ = desk.environment.conversations.resolve(desk.staff, "conv_none")
        for who in (desk.staff, desk.customer()):
            with pytest.raises(NotFoundError):
                await desk.post(who, conversation=conversation_id)


async def test_many_first_messages_make_one_conversation() -> None:
    async with opened() as desk:
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(desk.post, desk.staff, f"text {number}")
        events = await desk.events()
        assert [event.version for event in events] == list(range(1, 52))
        assert [event.type for event in events].count("conversation.created") == 1


async def test_a_customer_does_not_see_anothers_conversation() -> None:
    async with opened() as desk:
        await desk.post(desk.customer("acct_1"), author=USER)
        stranger = desk.customer("acct_2")
        with pytest.raises(NotFoundError):
            await desk.environment.conversations.see(stranger, "conv_123")
        with pytest.raises(NotFoundError):
            await desk.post(stranger)
        assert len(await desk.events()) == 2


async def test_the_account_that_wrote_first_as_a_customer_keeps_it() -> None:
    async with opened() as desk:
        await desk.post(desk.customer("acct_1"), author=USER)
        with pytest.raises(AuthorMismatchError):
            await desk.post(desk.customer("acct_2"), author=USER, conversation="conv_other")
        user_id, _ = desk.environment.external_ids.resolve("usr", USER.id)
        with pytest.raises(AuthorMismatchError):
            await desk.post(
                desk.customer("acct_2"), author=Author("user", user_id), conversation="conv_other"
            )
        await desk.post(desk.customer("acct_1"), author=USER, conversation="conv_other")


async def test_a_refused_message_claims_nobody() -> None:
    async with opened() as desk:
        await desk.post(desk.customer("acct_1"), author=Author("user", "usr_1"))
        with pytest.raises(NotFoundError):
            await desk.post(desk.customer("acct_2"), author=USER)
        await desk.post(desk.customer("acct_3"), author=USER, conversation="conv_3")


async def test_an_account_sees_where_its_users_write_once_they_are_its_own() -> None:
    async with opened() as desk:
        account = desk.customer("acct_1")
        first = await desk.post(account, author=USER, conversation="conv_ours")
        desk.later_than(first.event)
        await desk.post(desk.customer(USER.id), conversation="conv_theirs")
        view = await desk.environment.conversations.see(account, "conv_theirs")
        assert view.requester == USER
        posted = await desk.post(account, author=USER, conversation="conv_theirs")
        assert posted.event.version == 3


async def test_a_claim_opens_nothing_that_was_said_before_it() -> None:
    async with opened() as desk:
        await desk.post(desk.customer(USER.id), conversation="conv_private")
        account = desk.customer("acct_late")
        await desk.post(account, author=USER, conversation="conv_ours")
        with pytest.raises(NotFoundError):
            await desk.environment.conversations.see(account, "conv_private")
        with pytest.raises(NotFoundError):
            await desk.post(account, author=USER, conversation="conv_private")


async def test_customers_write_neither_notes_nor_as_staff() -> None:
    async with opened() as desk:
        with pytest.raises(ForbiddenError):
            await desk.post(desk.customer(), visibility="note")
        with pytest.raises(AuthorMismatchError):
            await desk.post(desk.customer(), author=AGENT)
        with pytest.raises(AuthorMismatchError):
            await desk.post(desk.customer("usr_1"), author=Author("user", "usr_2"))
        assert await desk.environment.log.read_feed(after=0) == []


async def test_a_narrowed_key_reaches_its_own_conversations_only() -> None:
    async with opened() as desk:
        mine, _ = desk.environment.conversations.resolve(desk.staff, "conv_mine")
        narrowed = desk.customer(conversations=frozenset({mine}))
        await desk.post(narrowed, conversation="conv_mine")
        for other in ("conv_other", mine.replace("conv_", "conv_x")):
            with pytest.raises(NotFoundError):
                await desk.post(narrowed, conversation=other)


async def test_a_note_is_hidden_from_customers_and_is_no_parent_of_theirs() -> None:
    async with opened() as desk:
        customer = desk.customer()
        await desk.post(customer)
        note = await desk.post(desk.staff, author=AGENT, visibility="note")
        see = desk.environment.conversations.see
        assert (await see(customer, "conv_123")).version == 2
        assert (await see(desk.staff, "conv_123")).version == 3
        assert not note.event.seen_by("customer")
        for parent in (note.event.resource_id, "msg_none", note.event.id):
            with pytest.raises(BadParentError):
                await reply(desk, parent)


async def reply(desk: Desk, parent: str | None) -> None:
    new = NewMessage("Hello", parent_id=parent)
    origin = Origin("acct_123")
    await desk.environment.conversations.post(desk.customer(), "conv_123", new, origin)


async def test_a_parent_is_a_message_of_the_same_conversation() -> None:
    async with opened() as desk:
        here = await desk.post(desk.customer())
        there = await desk.post(desk.customer(), conversation="conv_other")
        with pytest.raises(BadParentError):
            await reply(desk, there.event.resource_id)
        await reply(desk, here.event.resource_id)
        assert (await desk.events())[-1].payload.parent_id == here.event.resource_id


async def test_a_repeated_message_is_the_same_after_a_restart_too() -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        first = await desk.post(desk.customer(), key="k")
        again = await desk.post(desk.customer(), key="k")
        assert (again.event.id, again.replayed) == (first.event.id, True)
    async with opened(disk) as desk:
        again = await desk.post(desk.customer(), key="k")
        assert (again.event.id, again.event.data) == (first.event.id, first.event.data)
        with pytest.raises(IdempotencyMismatchError):
            await desk.post(desk.customer(), "other words", key="k")
        assert len(await desk.events()) == 2


async def test_what_was_known_is_known_after_a_restart() -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        await desk.post(desk.customer("acct_1"), author=USER)
        await desk.post(desk.staff, author=AGENT, visibility="note")
        see = desk.environment.conversations.see
        before = [await see(who, "conv_123") for who in (desk.staff, desk.customer("acct_1"))]
    async with opened(disk) as desk:
        see = desk.environment.conversations.see
        after = [await see(who, "conv_123") for who in (desk.staff, desk.customer("acct_1"))]
        assert after == before
        with pytest.raises(AuthorMismatchError):
            await desk.post(desk.customer("acct_2"), author=USER, conversation="conv_2")


async def test_words_are_sealed_for_whom_they_are_about() -> None:
    async with opened() as desk:
        await desk.post(desk.customer("acct_1"), author=USER)
        await desk.post(desk.staff, author=AGENT)
        contact_id, _ = desk.environment.external_ids.resolve("usr", USER.id)
        assert {event.subject for event in await desk.events()} == {contact_id}


async def test_a_message_that_is_told_is_answered_on_the_commit() -> None:
    disk, answers = MemoryDisk(), list[Outcome | ParleyError]()
    async with opened(disk) as desk:
        await desk.post(desk.customer())
        disk.hold()
        new, origin = NewMessage("Hello"), Origin("acct_123")
        conversations = desk.environment.conversations
        await conversations.tell(desk.customer(), "conv_123", new, origin, answers.append)
        await disk.wait_held()
        assert answers == []
        disk.release()
        await wait_all_tasks_blocked()
        (answer,) = answers
        assert isinstance(answer, Accepted)
        assert [event.version for event in answer.events] == [3]


async def test_a_message_whose_commit_fails_may_be_sent_again() -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        await desk.post(desk.customer())
        disk.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lost, desk)
            await disk.wait_held()
            disk.release(failing=True)
        assert not (await desk.post(desk.customer(), key="k")).replayed
        assert [event.version for event in await desk.events()] == [1, 2, 3]


async def lost(desk: Desk) -> None:
    with pytest.raises(OutcomeUnknownError):
        await desk.post(desk.customer(), key="k")


async def test_followers_of_a_conversation_hear_of_it_as_it_is_on_disk() -> None:
    async with opened() as desk:
        heard: list[int] = []

        def sink(event: object) -> bool:
            heard.append(getattr(event, "version", 0))
            return True

        posted = await desk.post(desk.customer())
        bus = desk.environment.bus
        follower = bus.follow_stream(posted.event.stream, sink, after=1, wake=lambda: None)
        while await follower.catch_up():
            pass
        await desk.post(desk.staff)
        assert heard == [2, 3]
        assert posted.event.position == 2
