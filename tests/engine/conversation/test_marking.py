"""Read marks through the whole engine: few writes, every waiter answered, nothing goes back."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.conversation.events import Author
from engine.conversation.marks import Mark
from engine.conversation.service import Asking, Marks
from engine.errors import (
    ActorStoppedError,
    AuthorMismatchError,
    BadVersionError,
    BusyError,
    NotFoundError,
    OutcomeUnknownError,
    ParleyError,
)
from engine.limits import ASK_SECONDS, MARK_SECONDS, MARKS_WAITING_MAX, PARTICIPANTS_MAX
from engine.log.event import Event
from engine.log.log import EventWrite, Log, OnDone
from persistence.records import Stream
from tests.support.desks import Desk, opened
from tests.support.disks import MemoryDisk

AGENT = Author("agent", "ada")
USER = Author("user", "usr_45")


async def talk(desk: Desk, messages: int = 20) -> None:
    """Let a customer and an agent write, so that there are versions to mark."""
    for number in range(messages):
        if number % 2:
            await desk.post(desk.staff, author=AGENT)
        else:
            await desk.post(desk.customer(USER.id))


async def marks_on_disk(desk: Desk) -> list[Event]:
    conversation_id, _ = desk.environment.conversations.resolve(desk.staff, "conv_123")
    return await desk.environment.log.read(Stream("marks", conversation_id))


def seen_of(marks: list[Mark]) -> dict[str, int]:
    return {mark.reader.id: mark.version for mark in marks}


async def test_a_hundred_marks_of_a_reader_are_few_events_and_everybody_is_answered(
    autojump_clock: MockClock,
) -> None:
    versions, answers = list(range(1, 21)) * 5, list[Mark]()

    async def mark(desk: Desk, version: int) -> None:
        answers.append(await desk.mark(desk.customer(USER.id), version))

    async with opened() as desk:
        await talk(desk)
        began = autojump_clock.current_time()
        async with trio.open_nursery() as nursery:
            for version in versions:
                nursery.start_soon(mark, desk, version)
        assert len(answers) == len(versions)
        assert {answer.version for answer in answers} == {20}
        assert len(await marks_on_disk(desk)) == 1
        assert autojump_clock.current_time() - began <= MARK_SECONDS


async def test_marks_that_keep_coming_are_written_once_a_window(autojump_clock: MockClock) -> None:
    async with opened() as desk:
        await talk(desk)
        began = autojump_clock.current_time()
        for version in range(1, 11):
            assert (await desk.mark(desk.staff, version, AGENT)).version == version
        assert len(await marks_on_disk(desk)) == 10
        assert autojump_clock.current_time() - began == pytest.approx(9 * MARK_SECONDS)


async def test_the_marks_of_many_readers_are_one_write(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    submit = Log.submit

    def noting(log: Log, writes: Sequence[EventWrite], on_done: OnDone) -> None:
        sizes.append(sum(len(write.events) for write in writes))
        submit(log, writes, on_done)

    async with opened() as desk:
        await talk(desk)
        await desk.mark(desk.staff, 1, AGENT)
        monkeypatch.setattr(Log, "submit", noting)
        async with trio.open_nursery() as nursery:
            for number in range(30):
                reader = Author("agent", str(number))
                nursery.start_soon(desk.mark, desk.staff, number % 20, reader)
        assert sizes == [30]
        marks = await desk.environment.marks.list(desk.staff, "conv_123")
        assert seen_of(marks) == {"ada": 1} | {str(number): number % 20 for number in range(30)}


async def test_a_mark_never_goes_back_and_moves_no_version(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
) -> None:
    async with opened() as desk:
        await talk(desk)
        told = [(await desk.mark(desk.staff, version, AGENT)).version for version in (7, 3, 7, 0)]
        assert told == [7, 7, 7, 7]
        assert len(await marks_on_disk(desk)) == 1
        seen = await desk.environment.conversations.see(desk.staff, "conv_123")
        assert seen.version == 21


async def test_a_mark_that_is_answered_is_on_disk_and_known_after_a_restart(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
) -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        await talk(desk)
        first = await desk.mark(desk.customer(USER.id), 5)
        await desk.mark(desk.staff, 9, AGENT)
    async with opened(disk) as desk:
        marks = desk.environment.marks
        assert seen_of(await marks.list(desk.staff, "conv_123")) == {"usr_45": 5, "ada": 9}
        assert await desk.mark(desk.customer(USER.id), 4) == first
        assert (await desk.mark(desk.customer(USER.id), 6)).version == 6
        (event, *_) = await marks_on_disk(desk)
        contact_id, _ = desk.environment.external_ids.resolve("usr", USER.id)
        assert (event.subject, event.actor, event.payload.contact_id) == (
            contact_id,
            USER.id,
            contact_id,
        )


async def test_a_mark_is_not_answered_before_its_commit() -> None:
    disk, answers = MemoryDisk(), list[Mark]()

    async def mark(desk: Desk) -> None:
        answers.append(await desk.mark(desk.staff, 5, AGENT))

    async with opened(disk) as desk:
        await talk(desk)
        conversation_id, _ = desk.environment.conversations.resolve(desk.staff, "conv_123")
        await desk.environment.log.keyring.ensure({conversation_id})
        disk.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mark, desk)
            await disk.wait_held()
            await wait_all_tasks_blocked()
            assert answers == []
            disk.release()
        assert [answer.version for answer in answers] == [5]


async def test_a_commit_that_fails_is_told_to_everybody_who_waits(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
) -> None:
    disk, failures = MemoryDisk(), list[type[ParleyError]]()

    async def mark(desk: Desk, version: int) -> None:
        try:
            await desk.mark(desk.staff, version, AGENT)
        except ParleyError as error:
            failures.append(type(error))

    async with opened(disk) as desk:
        await talk(desk)
        disk.hold()
        async with trio.open_nursery() as nursery:
            for version in (1, 2, 3):
                nursery.start_soon(mark, desk, version)
            await disk.wait_held()
            disk.release(failing=True)
        assert failures == [OutcomeUnknownError] * 3
        assert (await desk.mark(desk.staff, 2, AGENT)).version == 2


async def test_a_reader_that_leaves_harms_nobody_and_its_mark_counts(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
) -> None:
    answers: list[int] = []

    async def mark(desk: Desk, version: int) -> None:
        answers.append((await desk.mark(desk.staff, version, AGENT)).version)

    async with opened() as desk:
        await talk(desk)
        await desk.mark(desk.staff, 1, Author("agent", "bob"))
        async with trio.open_nursery() as staying, trio.open_nursery() as leaving:
            leaving.start_soon(mark, desk, 9)
            staying.start_soon(mark, desk, 5)
            await wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        assert answers == [9]
        assert seen_of(await desk.environment.marks.list(desk.staff, "conv_123"))["ada"] == 9


async def test_a_store_that_does_not_answer_is_an_unknown_outcome_in_time(
    autojump_clock: MockClock,
) -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        await talk(desk)
        disk.hold()
        began = autojump_clock.current_time()
        with pytest.raises(OutcomeUnknownError):
            await desk.mark(desk.staff, 5, AGENT)
        assert autojump_clock.current_time() - began == pytest.approx(ASK_SECONDS)
        disk.release()
        assert (await desk.mark(desk.staff, 4, AGENT)).version == 5


async def test_marks_in_the_pause_are_answered_when_it_ends_and_no_more_are_taken() -> None:
    answers: list[type[ParleyError]] = []

    async def refused(marks: Marks, desk: Desk, version: int) -> None:
        with pytest.raises(ActorStoppedError) as error:
            await marks.advance(desk.staff, "conv_123", version, AGENT)
        answers.append(error.type)

    async with opened() as desk, trio.open_nursery() as nursery:
        await talk(desk)
        asking = Asking(desk.environment.registry, desk.environment.external_ids)
        marks = Marks(asking, desk.environment.conversations)
        async with trio.open_nursery() as running:
            await running.start(marks.run)
            assert (await marks.advance(desk.staff, "conv_123", 1, AGENT)).version == 1
            for version in (9, 8, 9):
                nursery.start_soon(refused, marks, desk, version)
            await wait_all_tasks_blocked()
            assert answers == []
            running.cancel_scope.cancel()
        await wait_all_tasks_blocked()
        assert answers == [ActorStoppedError] * 3
        await refused(marks, desk, 9)
        assert len(await marks_on_disk(desk)) == 1


async def test_nobody_marks_what_it_has_not_seen(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
) -> None:
    async with opened() as desk:
        await desk.post(desk.customer(USER.id))
        await desk.post(desk.staff, author=AGENT, visibility="note")
        told = []
        for who, version in ((desk.customer(USER.id), 3), (desk.staff, 4)):
            with pytest.raises(BadVersionError) as refused:
                await desk.mark(who, version)
            told.append(refused.value.members)
        assert told == [{"current_version": 2}, {"current_version": 3}]
        assert (await desk.mark(desk.customer(USER.id), 2)).version == 2
        for stranger in (desk.customer("usr_46"), desk.customer("acct_9")):
            with pytest.raises(NotFoundError):
                await desk.mark(stranger, 1)
        assert len(await marks_on_disk(desk)) == 1


async def test_an_account_marks_as_users_that_are_its_own(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
) -> None:
    async with opened() as desk:
        account = desk.customer("acct_1")
        await desk.post(account, author=USER)
        assert (await desk.mark(account, 2, USER)).reader == USER
        for reader in (Author("user", "usr_unclaimed"), AGENT):
            with pytest.raises(AuthorMismatchError):
                await desk.mark(account, 2, reader)


async def test_a_customer_sees_no_marks_of_people_it_does_not_know(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
) -> None:
    async with opened() as desk:
        user, bob = desk.customer(USER.id), Author("agent", "bob")
        await desk.post(user)
        await desk.post(desk.staff, author=bob, visibility="note")
        for reader in (bob, USER, Author("agent", "carl")):
            await desk.mark(desk.staff, 2, reader)
        marks = desk.environment.marks
        assert seen_of(await marks.list(desk.staff, "conv_123")) == {
            "bob": 2,
            "usr_45": 2,
            "carl": 2,
        }
        assert seen_of(await marks.list(user, "conv_123")) == {"usr_45": 2}
        assert await marks.list(desk.staff, "conv_123") != []


async def test_a_conversation_without_marks_has_none(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
) -> None:
    async with opened() as desk:
        await desk.post(desk.customer(USER.id))
        assert await desk.environment.marks.list(desk.staff, "conv_123") == []
        with pytest.raises(NotFoundError):
            await desk.environment.marks.list(desk.staff, "conv_none")


async def test_one_reader_too_many_is_marked_and_the_longest_silent_one_is_let_go(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
) -> None:
    async with opened() as desk:
        await desk.post(desk.customer(USER.id))
        await desk.mark(desk.staff, 1, AGENT)
        readers = [Author("agent", str(number)) for number in range(PARTICIPANTS_MAX)]
        for some in (readers[:100], readers[100:200], readers[200:]):
            async with trio.open_nursery() as nursery:
                for reader in some:
                    nursery.start_soon(desk.mark, desk.staff, 2, reader)
        marks = await desk.environment.marks.list(desk.staff, "conv_123")
        assert {mark.reader for mark in marks} == set(readers)
        assert (await desk.mark(desk.staff, 1, AGENT)).version == 1


async def test_customers_are_shown_no_mark_beyond_the_version_they_see(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
) -> None:
    async with opened() as desk:
        user = desk.customer(USER.id)
        await desk.post(user)
        await desk.post(desk.staff, author=AGENT)
        await desk.post(desk.staff, author=AGENT, visibility="note")
        await desk.mark(desk.staff, 4, AGENT)
        listed = [await desk.environment.marks.list(who, "conv_123") for who in (desk.staff, user)]
        assert [seen_of(marks) for marks in listed] == [{"ada": 4}, {"ada": 3}]
        await desk.post(user)
        assert seen_of(await desk.environment.marks.list(user, "conv_123")) == {"ada": 4}


async def test_so_many_readers_may_wait_and_not_one_more(
    autojump_clock: MockClock,  # noqa: ARG001 - time passes when nobody has work
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MARKS_WAITING_MAX > 3
    monkeypatch.setattr("engine.conversation.service.marking.MARKS_WAITING_MAX", 3)
    async with opened() as desk:
        await desk.post(desk.customer(USER.id))
        await desk.mark(desk.staff, 1, AGENT)
        async with trio.open_nursery() as nursery:
            for number in range(3):
                reader = Author("agent", str(number))
                nursery.start_soon(desk.mark, desk.staff, 1, reader)
            await wait_all_tasks_blocked()
            with pytest.raises(BusyError):
                await desk.mark(desk.staff, 1, Author("agent", "late"))
            assert (await desk.mark(desk.staff, 2, Author("agent", "0"))).version == 2
        assert (await desk.mark(desk.staff, 1, Author("agent", "late"))).version == 1


@pytest.mark.usefixtures("autojump_clock")
async def test_a_customer_is_one_reader_whatever_it_is_called() -> None:
    async with opened() as desk:
        contact_id, _ = desk.environment.external_ids.resolve("usr", USER.id)
        await desk.post(desk.staff, author=AGENT)
        await desk.add(Author("user", contact_id))
        customer = desk.customer(USER.id)
        await desk.mark(customer, 2)
        assert seen_of(await desk.environment.marks.list(customer, "conv_123")) == {USER.id: 2}
        await desk.mark(desk.staff, 3, author=Author("user", contact_id))
        (mark,) = await desk.environment.marks.list(customer, "conv_123")
        assert (mark.reader.id, mark.version) == (contact_id, 3)


@pytest.mark.usefixtures("autojump_clock")
async def test_a_customer_is_told_of_no_version_that_it_does_not_see() -> None:
    async with opened() as desk:
        customer = desk.customer(USER.id)
        await desk.post(customer)
        for _ in range(3):
            await desk.post(desk.staff, author=AGENT, visibility="note")
        assert (await desk.mark(desk.staff, 5, author=USER)).version == 5
        assert (await desk.mark(customer, 2)).version == 2
        assert seen_of(await desk.environment.marks.list(customer, "conv_123")) == {USER.id: 2}
        assert seen_of(await desk.environment.marks.list(desk.staff, "conv_123")) == {USER.id: 5}
