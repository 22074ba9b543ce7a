"""Erasures on stores that fail, and beside commands that are under way."""

from typing import Any

import pytest
import trio
import trio.testing

from engine.actor import registry
from engine.actor.outcome import Origin
from engine.conversation.events import Author
from engine.conversation.service.asking import stream_of
from engine.conversation.transitions import KIND
from engine.environment import CATALOGUE
from engine.errors import OutcomeUnknownError, ParleyError, StorageError
from engine.feature import Remains, decode, encode
from tests.support.desks import Desk, opened
from tests.support.disks import MemoryDisk

USER = Author("user", "usr_45")
ORIGIN = Origin("key_1")
OF_KEYS = {"key.created", "workspace.created", "subject.erased"}


async def texts(desk: Desk) -> list[str]:
    return [getattr(event.payload, "text", event.type) for event in await desk.events()]


@pytest.mark.parametrize("name", sorted(CATALOGUE.keys() - OF_KEYS))
@pytest.mark.parametrize("public", [True, False])
def test_every_event_of_people_leaves_a_tombstone_that_is_read_back(
    name: str,
    public: bool,  # noqa: FBT001
) -> None:
    kind = CATALOGUE[name]
    left: Any = kind.tombstone(Remains("conv_1", bytes(16), public=public))
    assert decode(kind, encode(left)) == left
    assert (left.redacted, left.withdrawn().redacted) == (True, True)
    assert left.about() in (None, bytes(16))


@pytest.mark.parametrize("name", sorted(OF_KEYS))
def test_events_of_nobody_leave_none(name: str) -> None:
    with pytest.raises(TypeError, match="nobody who can be erased"):
        CATALOGUE[name].tombstone(Remains("key_1", None, public=False))


@pytest.mark.parametrize("memory", ["of the same process", "of another one"])
async def test_a_store_that_fails_leaves_an_erasure_begun_and_its_repetition_ends_it(
    memory: str,
) -> None:
    disk, failing = MemoryDisk(), set[str]()
    async with opened(disk, failing=failing) as desk:
        await desk.post(desk.staff, author=USER)
        erase = desk.environment.erasures.erase
        failing.add("append")
        with pytest.raises(StorageError):
            await erase("usr_45", None, ORIGIN)
        assert await texts(desk) == ["conversation.created", "Hello"], "nothing was begun"
        failing ^= {"append", "destroy"}
        with pytest.raises(OutcomeUnknownError):
            await erase("usr_45", None, ORIGIN)
        assert await texts(desk) == ["conversation.created", ""], "it is used no more"
        failing.clear()
        if memory == "of the same process":
            receipt = await erase("usr_45", None, ORIGIN)
            assert (receipt.replayed, receipt.number) == (True, 1)
            return
    async with opened(disk) as desk:
        assert await texts(desk) == ["conversation.created", ""]
        receipt = await desk.environment.erasures.erase("usr_45", None, ORIGIN)
        assert (receipt.replayed, receipt.number) == (True, 1)


async def test_erasures_that_race_are_one() -> None:
    async with opened() as desk:
        await desk.post(desk.staff, author=USER)
        found = []

        async def race() -> None:
            found.append(await desk.environment.erasures.erase("usr_45", None, ORIGIN))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(race)
        assert len({one.id for one in found}) == 1
        assert sorted(one.replayed for one in found) == [False, True, True, True, True]


async def test_whoever_leaves_while_it_is_erased_finds_it_done() -> None:
    async with opened() as desk:
        await desk.post(desk.staff, author=USER)
        with trio.CancelScope() as scope:
            scope.cancel()
            await desk.environment.erasures.erase("usr_45", None, ORIGIN)
        assert await texts(desk) in (
            ["conversation.created", "Hello"],
            ["conversation.created", ""],
        )
        again = await desk.environment.erasures.erase("usr_45", None, ORIGIN)
        assert await texts(desk) == ["conversation.created", ""]
        assert desk.environment.erasures.find(again.id) is not None


async def test_commands_that_are_under_way_are_answered_and_no_version_is_lost() -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        await desk.post(desk.staff, author=USER)
        answers: list[object] = []

        async def write(number: int) -> None:
            try:
                answers.append(
                    (await desk.post(desk.staff, f"{number}", author=USER)).event.version
                )
            except ParleyError as error:
                answers.append(error)

        disk.hold()
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(write, number)
            await disk.wait_held()
            nursery.start_soon(desk.environment.erasures.erase, "usr_45", None, ORIGIN)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(20, 40):
                nursery.start_soon(write, number)
            await trio.testing.wait_all_tasks_blocked()
            disk.release()
        assert sorted(map(str, answers)) == sorted(map(str, range(3, 43)))
        events = await desk.events()
        assert [event.version for event in events] == list(range(1, 43))
        gone = [event.version for event in events if event.payload.redacted is True]
        assert gone == list(range(1, len(gone) + 1)), "what was said before, and nothing since"
        assert len(gone) == 22


FELLOW = Author("user", "usr_9")


async def kept(desk: Desk) -> list[str]:
    """Return who takes part, as the snapshot of the conversation says; nobody without one."""
    conversation_id, _ = desk.environment.conversations.resolve(desk.staff, "conv_123")
    snapshots = desk.environment.registry._snapshots  # noqa: SLF001 - what a restart would find
    known = await snapshots.find(stream_of(conversation_id), KIND)
    return [someone.author.id for someone in known.state.participants.values()] if known else []


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be a snapshot behind every second event."""
    monkeypatch.setattr(registry, "SNAPSHOT_EVENTS", 2)


@pytest.mark.usefixtures("often")
async def test_no_snapshot_knows_who_was_erased() -> None:
    async with opened() as desk:
        for author in (USER, FELLOW, USER, USER):
            await desk.post(desk.staff, author=author)
        await trio.testing.wait_all_tasks_blocked()
        assert await kept(desk) == ["usr_45", "usr_9"]
        await desk.environment.erasures.erase("usr_9", None, ORIGIN)
        assert await kept(desk) == []
        for _ in range(4):
            await desk.post(desk.staff, author=USER)
        await trio.testing.wait_all_tasks_blocked()
        assert await kept(desk) == ["usr_45"]


@pytest.mark.usefixtures("often")
async def test_a_snapshot_on_its_way_to_the_disk_is_not_kept_either() -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        for author in (USER, FELLOW):
            await desk.post(desk.staff, author=author)
        await trio.testing.wait_all_tasks_blocked()
        await desk.environment.registry.forget_kept()
        disk.hold()
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(desk.post, desk.staff, f"{number}")
            await disk.wait_held()
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(desk.environment.erasures.erase, "usr_9", None, ORIGIN)
            await trio.testing.wait_all_tasks_blocked()
            disk.release()
        await trio.testing.wait_all_tasks_blocked()
        assert "usr_9" not in await kept(desk)
