"""Messages edited through the whole engine: rights, races, repetition, restarts."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from engine.conversation.commands import MessageHeader
from engine.conversation.editing import StaleHeaderError
from engine.conversation.events import Author
from engine.conversation.service import Edit, Expectation, Messages
from engine.errors import (
    AuthorMismatchError,
    BadVersionError,
    ConflictError,
    ForbiddenError,
    IdempotencyMismatchError,
    NotFoundError,
    VersionConflictError,
)
from engine.limits import REVISIONS_REMEMBERED, STALE_HEADER_TRIES
from engine.log.event import Event
from engine.principal import Principal
from tests.support.desks import Desk, message_id, opened
from tests.support.disks import MemoryDisk

AGENT = Author("agent", "ada")
USER = Author("user", "usr_45")


async def text_of(desk: Desk, message: Event, audience: str = "staff") -> str:
    messages = desk.environment.messages
    found = await messages.read(message.stream.name, message_id(message), audience)
    return found.text


async def test_an_edit_is_the_message_right_behind_it() -> None:
    async with opened() as desk:
        said = (await desk.post(desk.customer(USER.id), "one")).event
        edited = await desk.edit(desk.customer(USER.id), said, Edit("two"))
        assert (edited.message.text, edited.message.revision) == ("two", 3)
        assert (edited.message.editor, edited.replayed) == (USER, False)
        assert edited.message.event.uuid == said.uuid
        assert await text_of(desk, said, "customer") == "two"


async def test_a_repeated_edit_is_answered_as_it_was_also_after_a_restart() -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        user = desk.customer(USER.id)
        said = (await desk.post(user, "one")).event
        first = await desk.edit(user, said, Edit("two"), key="k")
        await desk.edit(user, said, Edit("three"))
    async with opened(disk) as desk:
        user = desk.customer(USER.id)
        again = await desk.edit(user, said, Edit("two"), key="k")
        assert (again.message.text, again.message.revision, again.replayed) == ("two", 3, True)
        assert again.message.changed_by is not None
        assert first.message.changed_by is not None
        assert again.message.changed_by.uuid == first.message.changed_by.uuid
        with pytest.raises(IdempotencyMismatchError):
            await desk.edit(user, said, Edit("four"), key="k")
        assert await text_of(desk, said) == "three"
        assert len(await desk.events()) == 4


async def test_of_racing_edits_with_one_if_match_one_wins() -> None:
    results: list[str] = []

    async def race(desk: Desk, message: Event, number: int) -> None:
        edit = Edit(f"by {number}", expectation=Expectation(if_match=message.version))
        try:
            edited = await desk.edit(desk.customer(USER.id), message, edit)
        except VersionConflictError as error:
            results.append(f"lost at {error.current}")
        else:
            results.append(edited.message.text)

    async with opened() as desk:
        said = (await desk.post(desk.customer(USER.id))).event
        async with trio.open_nursery() as nursery:
            for number in range(32):
                nursery.start_soon(race, desk, said, number)
        lost = [result for result in results if result.startswith("lost")]
        (won,) = [result for result in results if result not in lost]
        assert lost == ["lost at 3"] * 31
        assert await text_of(desk, said) == won
        assert len(await desk.events()) == 3


async def test_edits_while_a_commit_waits_are_decided_on_what_it_will_bring() -> None:
    disk, results = MemoryDisk(), list[str]()
    edit = Edit("two", expectation=Expectation(if_match=2))

    async def race(desk: Desk, message: Event) -> None:
        try:
            await desk.edit(desk.customer(USER.id), message, edit)
        except VersionConflictError:
            results.append("lost")
        else:
            results.append("won")

    async with opened(disk) as desk:
        said = (await desk.post(desk.customer(USER.id))).event
        disk.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(race, desk, said)
            await disk.wait_held()
            nursery.start_soon(race, desk, said)
            await trio.testing.wait_all_tasks_blocked()
            assert results == []
            disk.release()
        assert sorted(results) == ["lost", "won"]


class Overtaken:
    """Lets other messages change between each reading of a header and what is decided on it."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self._desk = desk
        self._others: list[Event] = []
        self._read: Callable[[str, str], Awaitable[MessageHeader]] = (
            desk.environment.messages.header
        )
        self.times = 0
        self.reads = 0
        monkeypatch.setattr(Messages, "header", self._header)

    async def prepare(self) -> None:
        """Write so many other messages that an actor cannot remember their changes."""
        for _ in range(REVISIONS_REMEMBERED + 1):
            self._others.append((await self._desk.post(self._desk.staff, author=AGENT)).event)

    async def _header(self, conversation_id: str, message: str) -> MessageHeader:
        found = await self._read(conversation_id, message)
        self.reads += 1
        if self.times:
            times, self.times = self.times - 1, 0
            for other in self._others:
                await self._desk.edit(self._desk.staff, other, Edit(f"changed {times}"))
            self.times = times
        return found


async def test_a_header_that_others_have_overtaken_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened() as desk:
        said = (await desk.post(desk.customer(USER.id))).event
        overtaken = Overtaken(desk, monkeypatch)
        await overtaken.prepare()
        overtaken.times, overtaken.reads = 1, 0
        edited = await desk.edit(desk.customer(USER.id), said, Edit("two"))
        assert edited.message.text == "two"
        assert overtaken.reads == REVISIONS_REMEMBERED + 1 + 2


async def test_a_header_that_others_always_overtake_is_a_busy_conversation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened() as desk:
        said = (await desk.post(desk.customer(USER.id), "one")).event
        overtaken = Overtaken(desk, monkeypatch)
        await overtaken.prepare()
        overtaken.times = STALE_HEADER_TRIES
        with pytest.raises(StaleHeaderError):
            await desk.edit(desk.customer(USER.id), said, Edit("two"))
        assert await text_of(desk, said) == "one"
        assert (await desk.edit(desk.customer(USER.id), said, Edit("two"))).message.text == "two"


async def test_customers_edit_their_own_words_and_staff_its_own() -> None:
    async with opened() as desk:
        user, other = desk.customer(USER.id), Author("user", "usr_46")
        customers = (await desk.post(user)).event
        agents = (await desk.post(desk.staff, author=AGENT)).event
        await desk.add(other)
        for who, message in (
            (user, agents),
            (desk.staff, customers),
            (desk.customer(other.id), customers),
            (desk.customer(other.id), agents),
        ):
            with pytest.raises(AuthorMismatchError):
                await desk.edit(who, message, Edit("two"))
        with pytest.raises(ForbiddenError):
            await desk.edit(user, customers, Edit(metadata={"a": 1}))
        for who, message in ((user, agents), (desk.customer(other.id), customers)):
            with pytest.raises(AuthorMismatchError):
                await desk.redact(who, message)
        assert (await desk.edit(desk.staff, agents, Edit("two"))).message.editor.type == "system"
        edit = Edit("three", editor=AGENT)
        assert (await desk.edit(desk.staff, agents, edit)).message.editor == AGENT


async def test_an_account_edits_the_words_of_its_own_users_alone() -> None:
    async with opened() as desk:
        account, theirs = desk.customer("acct_1"), Author("user", "usr_theirs")
        ours = (await desk.post(account, author=USER)).event
        await desk.add(theirs)
        others = (await desk.post(desk.customer(theirs.id))).event
        assert (await desk.edit(account, ours, Edit("two"))).message.editor == USER
        with pytest.raises(AuthorMismatchError):
            await desk.edit(account, others, Edit("two"))
        with pytest.raises(AuthorMismatchError):
            await desk.redact(account, others)
        with pytest.raises(NotFoundError):
            await desk.edit(desk.customer("acct_2"), ours, Edit("two"))


async def test_an_account_edits_no_words_of_anothers_user_nor_what_its_own_wrote_before() -> None:
    async with opened() as desk:
        account, theirs, late = desk.customer("acct_1"), Author("user", "t"), Author("user", "l")
        claim = await desk.post(desk.customer("acct_2"), author=theirs, conversation="conv_theirs")
        desk.later_than(claim.event)
        await desk.post(account, author=USER)
        for someone in (theirs, late):
            await desk.add(someone)
        words = [(await desk.post(desk.customer(one.id))).event for one in (theirs, late)]
        desk.later_than(words[-1])
        await desk.post(account, author=late, conversation="conv_ours")
        for said in words:
            with pytest.raises(AuthorMismatchError):
                await desk.edit(account, said, Edit("two"))
            with pytest.raises(AuthorMismatchError):
                await desk.redact(account, said)


async def test_an_account_edits_what_its_users_wrote_by_their_own_keys_once_they_are_its() -> None:
    async with opened() as desk:
        account = desk.customer("acct_1")
        claimed = await desk.post(account, author=USER, conversation="conv_ours")
        desk.later_than(claimed.event)
        said = (await desk.post(desk.customer(USER.id), conversation="conv_theirs")).event
        edited = await desk.edit(account, said, Edit("two"), conversation="conv_theirs")
        assert (edited.message.text, edited.message.editor) == ("two", USER)
        redacted = await desk.redact(account, said, conversation="conv_theirs")
        assert redacted.message.redacted


async def test_a_customer_that_was_removed_edits_nothing() -> None:
    async with opened() as desk:
        user = desk.customer(USER.id)
        said = (await desk.post(user)).event
        await desk.remove(USER)
        for ask in (desk.edit(user, said, Edit("two")), desk.redact(user, said)):
            with pytest.raises(NotFoundError):
                await ask
        assert len(await desk.events()) == 3


async def test_a_message_is_found_in_its_own_conversation_alone() -> None:
    async with opened() as desk:
        here = (await desk.post(desk.customer())).event
        there = (await desk.post(desk.customer(), conversation="conv_other")).event
        events = await desk.events()
        assert events[0].type == "conversation.created"
        with pytest.raises(NotFoundError):
            await desk.edit(desk.customer(), there, Edit("two"))
        with pytest.raises(NotFoundError):
            await desk.edit(desk.customer(), here, Edit("two"), conversation="conv_other")
        messages = desk.environment.messages
        for name in ("", "msg_none", here.id, here.id.replace("evt_", "msg_").upper()):
            with pytest.raises(NotFoundError):
                await messages.header(here.stream.name, name)
        with pytest.raises(NotFoundError):
            await messages.header(here.stream.name, events[0].id.replace("evt_", "msg_"))


@pytest.mark.parametrize("expected", [1, 3])
async def test_an_edit_is_refused_that_expects_another_version(expected: int) -> None:
    errors = (VersionConflictError, BadVersionError)
    async with opened() as desk:
        user = desk.customer(USER.id)
        said = (await desk.post(user)).event
        with pytest.raises(errors[expected > 2]):
            await desk.edit(user, said, Edit("two", expectation=Expectation(expected)))
        edited = await desk.edit(user, said, Edit("two", expectation=Expectation(2)))
        assert edited.message.text == "two"


async def test_staff_notes_something_with_a_message_and_customers_do_not_see_it() -> None:
    async with opened() as desk:
        user = desk.customer(USER.id)
        said = (await desk.post(user, "one")).event
        noted = await desk.edit(desk.staff, said, Edit(metadata={"topic": "refund"}))
        assert (noted.message.metadata, noted.message.revision) == ({"topic": "refund"}, 3)
        edited = await desk.edit(user, said, Edit("two", expectation=Expectation(if_match=2)))
        assert (edited.message.metadata, edited.message.revision) == ({}, 4)
        messages = desk.environment.messages
        for audience, revisions in (("staff", [2, 3, 4]), ("customer", [2, 4])):
            told = await messages.history(said.stream.name, message_id(said), audience)
            assert [one.revision for one in told] == revisions
        seen = await desk.environment.conversations.see(user, "conv_123")
        assert seen.version == 4


async def test_a_note_is_edited_by_staff_and_is_none_for_customers() -> None:
    async with opened() as desk:
        user: Principal = desk.customer(USER.id)
        await desk.post(user)
        note = (await desk.post(desk.staff, author=AGENT, visibility="note")).event
        assert (await desk.edit(desk.staff, note, Edit("two"))).message.text == "two"
        for ask in (desk.edit(user, note, Edit("mine")), desk.redact(user, note)):
            with pytest.raises(NotFoundError):
                await ask
        with pytest.raises(NotFoundError):
            await desk.environment.messages.read(note.stream.name, message_id(note), "customer")
        assert (await desk.environment.conversations.see(user, "conv_123")).version == 2


async def test_a_page_of_messages_says_what_they_say_now() -> None:
    async with opened() as desk:
        user = desk.customer(USER.id)
        first, second = [(await desk.post(user, text)).event for text in ("one", "two")]
        third = (await desk.post(desk.staff, "three", author=AGENT)).event
        await desk.edit(user, first, Edit("one, better"))
        await desk.redact(desk.staff, third)
        page = [event for event in await desk.events() if event.type == "message.created"]
        told = await desk.environment.messages.revised(page, "customer")
        assert [(one.text, one.revision) for one in told] == [
            ("one, better", 5),
            ("two", second.version),
            ("", 6),
        ]
        assert await desk.environment.messages.revised([], "customer") == []


async def test_a_redacted_message_is_not_edited_any_more() -> None:
    async with opened() as desk:
        user = desk.customer(USER.id)
        said = (await desk.post(user)).event
        await desk.redact(user, said)
        with pytest.raises(ConflictError):
            await desk.edit(user, said, Edit("two"))
        again = await desk.redact(user, said)
        assert (again.message.redacted, again.replayed, again.message.revision) == (True, False, 3)
        assert len(await desk.events()) == 3


async def test_an_account_that_sees_by_one_user_edits_the_words_of_another_of_its_own() -> None:
    async with opened() as desk:
        account, second = desk.customer("acct_1"), Author("user", "usr_46")
        claimed = await desk.post(account, author=second, conversation="conv_ours")
        desk.later_than(claimed.event)
        await desk.post(account, author=USER)
        await desk.add(second)
        said = (await desk.post(desk.customer(second.id))).event
        assert (await desk.edit(account, said, Edit("two"))).message.editor == second


async def test_an_account_signs_an_edit_as_its_author_by_either_name() -> None:
    async with opened() as desk:
        account = desk.customer("acct_1")
        said = (await desk.post(account, "one", author=USER)).event
        contact_id, _ = desk.environment.external_ids.resolve("usr", USER.id)
        edit = Edit("two", editor=Author("user", contact_id))
        assert (await desk.edit(account, said, edit)).message.editor == USER


async def test_customers_are_not_told_that_metadata_was_set_with_a_text() -> None:
    async with opened() as desk:
        said = (await desk.post(desk.staff, "one", author=AGENT)).event
        await desk.edit(desk.staff, said, Edit("two", {"why": "a slip"}))
        change = (await desk.events())[-1].payload
        assert change.changed == ("text", "metadata")
        shown = change.for_customers()
        assert (shown.changed, shown.metadata, shown.text) == (("text",), None, "two")
