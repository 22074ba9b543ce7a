"""A request makes one conversation, however often it comes; a refused one claims nobody."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from engine.conversation.events import Author
from engine.conversation.service import NewConversation
from engine.errors import (
    ConflictError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    NotFoundError,
    OutcomeUnknownError,
    OutOfRangeError,
)
from engine.limits import COMMAND_KEY_SECONDS
from tests.support.desks import Desk, opened
from tests.support.disks import MemoryDisk

USER = Author("user", "usr_45")
OTHER = Author("user", "usr_46")


async def made(desk: Desk) -> int:
    """Return how many conversations there are on disk."""
    feed = await desk.environment.log.read_feed(after=0)
    return sum(event.type == "conversation.created" for event in feed)


def later(desk: Desk, seconds: float) -> None:
    clock = desk.environment.clock
    clock.advance_to(clock.now_ms() + int(1_000 * seconds))


async def test_an_external_id_in_the_form_of_an_id_of_ours_is_refused() -> None:
    async with opened() as desk:
        first = await desk.create(desk.staff)
        unused, _ = desk.environment.conversations.resolve(desk.staff, "conv_none")
        for name in (first.view.id, unused):
            with pytest.raises(OutOfRangeError) as refused:
                await desk.create(desk.staff, NewConversation(name), key="k")
            (error,) = refused.value.errors
            assert (error.field, error.code) == ("external_id", "out_of_range")
        assert await made(desk) == 1
        assert not (await desk.create(desk.staff, NewConversation("conv_1"), key="k")).replayed


NAMES: list[tuple[str | None, str | None]] = [
    ("conv_1", "conv_2"),
    ("conv_1", None),
    (None, "conv_2"),
]


@pytest.mark.parametrize(("first", "second"), NAMES)
async def test_a_key_belongs_to_the_body_it_came_with_whatever_that_names(
    first: str | None, second: str | None
) -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        await desk.create(desk.staff, NewConversation(first), key="k")
        with pytest.raises(IdempotencyMismatchError):
            await desk.create(desk.staff, NewConversation(second), key="k")
    async with opened(disk) as desk:
        with pytest.raises(IdempotencyMismatchError):
            await desk.create(desk.staff, NewConversation(second), key="k")
        assert (await desk.create(desk.staff, NewConversation(first), key="k")).replayed
        assert await made(desk) == 1


async def test_requests_that_race_with_one_key_make_one_conversation() -> None:
    found: set[str] = set()

    async def race(desk: Desk) -> None:
        found.add((await desk.create(desk.staff, NewConversation(), key="k")).view.id)

    async with opened() as desk:
        await desk.create(desk.staff, NewConversation(requester=USER), key="warm")
        async with trio.open_nursery() as nursery:
            for _ in range(16):
                nursery.start_soon(race_until_answered, desk, race)
        assert len(found) == 1
        assert await made(desk) == 2


async def race_until_answered(desk: Desk, race: Callable[[Desk], Awaitable[None]]) -> None:
    while True:
        try:
            return await race(desk)
        except IdempotencyInProgressError:
            await trio.lowlevel.checkpoint()


async def test_a_key_is_remembered_for_a_day_and_no_longer() -> None:
    disk, new = MemoryDisk(), NewConversation(requester=USER)
    async with opened(disk) as desk:
        first = await desk.create(desk.staff, new, key="k")
        later(desk, COMMAND_KEY_SECONDS - 60)
        again = await desk.create(desk.staff, new, key="k")
        assert (again.view.id, again.replayed) == (first.view.id, True)
        later(desk, 61)
        other = await desk.create(desk.staff, new, key="k")
        assert not other.replayed
        assert other.view.id != first.view.id
    async with opened(disk) as desk:
        later(desk, COMMAND_KEY_SECONDS + 61)
        later_still = await desk.create(desk.staff, new, key="k")
        assert later_still.view.id not in {first.view.id, other.view.id}
        assert await made(desk) == 3


async def test_a_request_whose_commit_failed_is_repeated_under_the_same_id() -> None:
    disk, new = MemoryDisk(), NewConversation(requester=USER)

    async def lost(desk: Desk) -> None:
        with pytest.raises(OutcomeUnknownError):
            await desk.create(desk.staff, new, key="k")

    async with opened(disk) as desk:
        await desk.create(desk.staff, new)
        disk.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lost, desk)
            await disk.wait_held()
            disk.release(failing=True)
        with pytest.raises(IdempotencyMismatchError):
            await desk.create(desk.staff, NewConversation(requester=OTHER), key="k")
        again = await desk.create(desk.staff, new, key="k")
        assert not again.replayed
        third = await desk.create(desk.staff, new, key="k")
        assert (third.view.id, third.replayed) == (again.view.id, True)
        assert await made(desk) == 2


async def test_a_conversation_of_others_is_not_found_and_claims_nobody() -> None:
    async with opened() as desk:
        await desk.create(desk.staff, NewConversation("conv_123", USER))
        for key in (None, "k", "k"):
            with pytest.raises(NotFoundError) as refused:
                await desk.create(
                    desk.customer("acct_2"), NewConversation("conv_123", OTHER), key=key
                )
            assert refused.value.members == {}
        with pytest.raises(NotFoundError):
            await desk.create(desk.customer("usr_9"), NewConversation("conv_123"))
        own = await desk.create(desk.customer("acct_3"), NewConversation("conv_3", OTHER))
        assert own.view.requester == OTHER
        assert await made(desk) == 2


async def test_a_conversation_of_ones_own_is_there_already() -> None:
    async with opened() as desk:
        account = desk.customer("acct_1")
        first = await desk.create(account, NewConversation("conv_123", USER))
        for requester in (USER, OTHER):
            with pytest.raises(ConflictError) as refused:
                await desk.create(account, NewConversation("conv_123", requester))
            assert refused.value.members == {"conversation_id": first.view.id}
        own = await desk.create(desk.customer("acct_3"), NewConversation("conv_3", OTHER))
        assert own.view.requester == OTHER


@pytest.mark.parametrize("external_id", ["conv_123", None])
async def test_an_account_that_repeats_its_request_gets_what_it_made(
    external_id: str | None,
) -> None:
    disk, new = MemoryDisk(), NewConversation(external_id, USER)
    async with opened(disk) as desk:
        first = await desk.create(desk.customer("acct_1"), new, key="k")
        again = await desk.create(desk.customer("acct_1"), new, key="k")
        assert (again.view, again.replayed) == (first.view, True)
    async with opened(disk) as desk:
        again = await desk.create(desk.customer("acct_1"), new, key="k")
        assert (again.view, again.replayed) == (first.view, True)
        assert await made(desk) == 1


async def test_a_request_that_is_refused_for_its_key_claims_nobody() -> None:
    async with opened() as desk:
        first, second = desk.customer("acct_1"), desk.customer("acct_2")
        await desk.create(first, NewConversation(requester=USER), key="k")
        with pytest.raises(IdempotencyMismatchError):
            await desk.create(first, NewConversation(requester=OTHER), key="k")
        made_by_another = await desk.create(second, NewConversation(requester=OTHER))
        assert made_by_another.view.requester == OTHER
