"""What was changed is read back: page by page, by nobody too often, and honestly when it fails."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio

from engine.conversation.commands import Changes
from engine.conversation.events import Author
from engine.conversation.revisions import Revised
from engine.conversation.service import Edit
from engine.errors import (
    AuthorMismatchError,
    ConflictError,
    OutcomeUnknownError,
    ParleyError,
    StorageError,
)
from engine.limits import MESSAGE_CHANGES_MAX
from engine.log.event import Event
from persistence.limits import READ_RECORDS_MAX
from persistence.memory.event_log import MemoryEventLog
from tests.support.desks import Desk, message_id, opened
from tests.support.disks import MemoryDisk

AGENT = Author("agent", "ada")
USER = Author("user", "usr_45")
STAFF_EDITOR = Author("system", "staff")


async def last_of(desk: Desk, message: Event, audience: str) -> Revised:
    history = desk.environment.messages.history
    return (await history(message.stream.name, message_id(message), audience))[-1]


def shown(message: Revised) -> tuple[Any, ...]:
    return (
        message.event.uuid,
        message.text,
        message.metadata,
        message.redacted,
        message.flags,
        message.revision,
        message.editor,
    )


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Note of how many records changes are asked for, and how many are found."""
    sizes: list[tuple[int, int]] = []
    about = MemoryEventLog.about

    async def noting(log: MemoryEventLog, ids: Sequence[bytes], **named: Any) -> Any:
        found = await about(log, ids, **named)
        sizes.append((len(ids), len(found)))
        return found

    monkeypatch.setattr(MemoryEventLog, "about", noting)
    return sizes


async def test_a_page_of_messages_with_more_changes_than_one_page_says_what_they_say_now(
    looked_up: list[tuple[int, int]],
) -> None:
    async with opened() as desk:
        said = [(await desk.post(desk.staff, "zero", author=AGENT)).event for _ in range(4)]
        for number in range(1, MESSAGE_CHANGES_MAX + 1):
            for message in said[:3]:
                await desk.edit(desk.staff, message, Edit(f"{message.version} {number}"))
        await desk.edit(desk.staff, said[0], Edit(metadata={"topic": "refund"}))
        await desk.redact(desk.staff, said[1])
        page = [event for event in await desk.events() if event.type == "message.created"]
        for audience in ("staff", "customer"):
            looked_up.clear()
            told = await desk.environment.messages.revised(page, audience)
            rest = 3 * MESSAGE_CHANGES_MAX + 2 - READ_RECORDS_MAX
            assert looked_up == [(3, READ_RECORDS_MAX), (3, rest)]
            texts = [f"2 {MESSAGE_CHANGES_MAX}", "", f"4 {MESSAGE_CHANGES_MAX}", "zero"]
            assert [one.text for one in told] == texts
            assert [shown(one) for one in told] == [
                shown(await last_of(desk, message, audience)) for message in said
            ]


async def test_a_page_is_read_without_its_changes_to_learn_what_was_withdrawn(
    looked_up: list[tuple[int, int]],
) -> None:
    async with opened() as desk:
        user = desk.customer(USER.id)
        first, second = [(await desk.post(user, "SECRET")).event for _ in range(2)]
        await desk.edit(user, first, Edit("SECRET indeed"))
        await desk.redact(user, first)
        await desk.edit(user, second, Edit("harmless"))
        looked_up.clear()
        log = desk.environment.log
        found = await log.find(first.uuid)
        pages = [
            await log.read(first.stream),
            (await log.read(first.stream, newest_first=True))[::-1],
            [event for event in await log.read_feed(after=0) if event.stream == first.stream],
        ]
        assert looked_up == []
        assert found is not None
        assert found.payload.redacted
        for page in pages:
            assert [b"SECRET" in event.data for event in page] == [
                event.uuid == second.uuid for event in page
            ]


async def test_of_edits_that_race_for_the_last_change_one_wins() -> None:
    results: list[str] = []

    async def race(desk: Desk, message: Event, edit: Edit) -> None:
        try:
            await desk.edit(desk.staff, message, edit)
        except ConflictError:
            results.append("too many")
        else:
            results.append("changed")

    async with opened() as desk:
        said = (await desk.post(desk.staff, author=AGENT)).event
        for number in range(MESSAGE_CHANGES_MAX - 1):
            await desk.edit(desk.staff, said, Edit(f"edit {number}"))
        for edit in (Edit("last"), Edit(metadata={"a": 1})):
            results.clear()
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(race, desk, said, edit)
            won = 1 if edit.text else 5
            assert sorted(results) == ["changed"] * won + ["too many"] * (5 - won)


async def test_an_account_signs_no_change_with_the_name_of_another_customer() -> None:
    async with opened() as desk:
        account, other = desk.customer("acct_1"), Author("user", "usr_46")
        await desk.post(account, author=other, conversation="conv_ours")
        said = (await desk.post(account, "one", author=USER)).event
        for editor in (other, Author("user", "usr_foreign"), AGENT):
            with pytest.raises(AuthorMismatchError):
                await desk.edit(account, said, Edit("two", editor=editor))
            with pytest.raises(AuthorMismatchError):
                await desk.redact(account, said, Edit(editor=editor))
        assert (await last_of(desk, said, "staff")).text == "one"
        itself = Author("user", "acct_1")
        for named, signed in ((None, USER), (USER, USER), (itself, itself)):
            edited = await desk.edit(account, said, Edit("two", editor=named))
            assert edited.message.editor == signed
        redacted = await desk.redact(account, said, Edit(editor=itself))
        assert (redacted.message.editor, redacted.message.redacted) == (itself, True)


async def test_staff_names_any_editor_and_customers_learn_that_it_was_staff() -> None:
    async with opened() as desk:
        user = desk.customer(USER.id)
        await desk.post(user)
        said = (await desk.post(desk.staff, "one", author=AGENT)).event
        bot, key = Author("bot", "b"), Author("system", "key_1")
        for named, signed in ((bot, bot), (AGENT, AGENT), (None, key)):
            edited = await desk.edit(desk.staff, said, Edit("two", editor=named))
            assert edited.message.editor == signed
            assert (await last_of(desk, said, "staff")).editor == edited.message.editor
            assert (await last_of(desk, said, "customer")).editor == STAFF_EDITOR
        withdrawn = (await desk.post(user, "mine")).event
        await desk.redact(desk.staff, withdrawn, Edit(editor=AGENT))
        assert (await last_of(desk, withdrawn, "staff")).editor == AGENT
        assert (await last_of(desk, withdrawn, "customer")).editor == STAFF_EDITOR


async def test_an_edit_that_is_on_disk_and_cannot_be_read_back_has_an_unknown_outcome() -> None:
    disk, failing, errors = MemoryDisk(), set[str](), list[ParleyError]()

    async def lost(desk: Desk, message: Event) -> None:
        with pytest.raises(ParleyError) as refused:
            await desk.edit(desk.customer(USER.id), message, Edit("two"), key="k")
        errors.append(refused.value)

    async with opened(disk, failing=failing) as desk:
        said = (await desk.post(desk.customer(USER.id), "one")).event
        disk.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lost, desk, said)
            await disk.wait_held()
            failing.add("find")
            disk.release()
        await lost(desk, said)
        assert [type(error) for error in errors] == [OutcomeUnknownError, StorageError]
        failing.clear()
        again = await desk.edit(desk.customer(USER.id), said, Edit("two"), key="k")
        assert (again.replayed, again.message.text) == (True, "two")
        assert len(await desk.events()) == 3


async def test_a_change_that_is_on_disk_and_cannot_be_rebuilt_has_an_unknown_outcome() -> None:
    failing = set[str]()
    async with opened(failing=failing) as desk:
        await desk.post(desk.customer(USER.id))
        first = await desk.change(desk.staff, Changes(priority="high"), key="k")
        failing.add("read")
        with pytest.raises(OutcomeUnknownError):
            await desk.change(desk.staff, Changes(priority="high"), key="k")
        failing.clear()
        again = await desk.change(desk.staff, Changes(priority="high"), key="k")
        assert (again.view, again.replayed) == (first.view, True)
