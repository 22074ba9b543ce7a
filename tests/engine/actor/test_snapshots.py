"""Snapshots spare an actor its stream; whatever is wrong with one, the stream is replayed."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from engine.actor.actor import Actor
from engine.actor.outcome import Answer, Query, Replayed
from engine.actor.rehydration import rehydrate
from engine.actor.snapshot_codec import to_snapshot
from engine.actor.snapshots import Snapshots
from engine.errors import StorageError
from engine.limits import (
    SNAPSHOT_EVENTS,
    SNAPSHOT_EVENTS_WORTHWHILE,
    SNAPSHOTS_UNDER_WAY_MAX,
)
from engine.log.event import Event
from engine.log.keyring import Keyring
from persistence.errors import StoreUnavailableError
from persistence.records import Snapshot
from tests.support.disks import MemoryDisk
from tests.support.tallies import (
    KEY,
    NOW_MS,
    TALLY,
    Count,
    Tallies,
    TallyState,
    event,
    key,
    tally,
    tallying,
)

SOME = SNAPSHOT_EVENTS_WORTHWHILE
AT_ONCE = 128
TEXT = "a canary that no file may show"


def length_of(state: TallyState) -> int:
    return len(state.texts)


async def count(tallies: Tallies, *, name: str = "a", times: int = SNAPSHOT_EVENTS) -> None:
    for began in range(0, times, AT_ONCE):
        some = min(AT_ONCE, times - began)
        await tallies.ask(Count(TEXT, times=some), key(f"at {began}"), name=name)
    await wait_all_tasks_blocked()


async def let_go(tallies: Tallies) -> None:
    """Use another stream: one actor at most stays, and then it is that one's."""
    await tallies.ask(Query(length_of), name="elsewhere")
    await wait_all_tasks_blocked()


async def back(tallies: Tallies, name: str = "a") -> Actor:
    """Return an actor of our own, as it comes back."""
    actor = Actor(tally(name), TALLY, tallies.log, lambda: NOW_MS)
    await rehydrate(actor, tallies.log, tallies.snapshots)
    return actor


async def put(tallies: Tallies, *more: Event, **otherwise: Any) -> None:
    """Keep a snapshot of all there is and ``more``, but for what is said ``otherwise``."""
    actor = await back(tallies)
    for one in more:
        actor.replay(one)
    capture = actor.capture()
    assert capture is not None
    key = (await tallies.keyring.load(["a"]))["a"]
    assert key is not None
    changed = replace(capture, **otherwise)
    other = to_snapshot(changed, key=key, name="a", environment="acme/live")
    await tallies.store.snapshots.put([other])


async def assert_comes_back(tallies: Tallies, length: int, *, replays: int) -> None:
    """Expect a stream to be known in full when it comes back, by the replay of so many events."""
    await let_go(tallies)
    tallies.log.events_read = 0
    assert await tallies.ask(Query(length_of)) == Answer(length)
    assert tallies.log.events_read == replays


@asynccontextmanager
async def with_a_snapshot() -> AsyncIterator[tuple[Tallies, Snapshot]]:
    """Run tallies with one snapshot, two events behind which the stream ends."""
    async with tallying(live_actors_max=1) as tallies:
        await count(tallies)
        await tallies.ask(Count("behind", times=2))
        found = await tallies.store.snapshots.get(tally())
        assert found is not None
        yield tallies, found


async def test_a_snapshot_is_written_after_so_many_events_and_only_the_rest_replayed() -> None:
    async with tallying(live_actors_max=1) as tallies:
        await count(tallies, times=SNAPSHOT_EVENTS - 1)
        assert await tallies.store.snapshots.get(tally()) is None
        await tallies.ask(Count("the one event more"))
        await wait_all_tasks_blocked()
        found = await tallies.store.snapshots.get(tally())
        assert found is not None
        assert found.version == SNAPSHOT_EVENTS
        await tallies.ask(Count("behind", times=2))
        await assert_comes_back(tallies, SNAPSHOT_EVENTS + 2, replays=3)


async def test_keys_are_remembered_from_before_the_snapshot() -> None:
    async with with_a_snapshot() as (tallies, _):
        await let_go(tallies)
        answer = await tallies.ask(Count(TEXT, times=AT_ONCE), key("at 0"))
        assert answer == Replayed(AT_ONCE)


async def test_what_people_wrote_is_on_no_disk_in_the_clear() -> None:
    async with with_a_snapshot() as (_, found):
        assert TEXT.encode() not in found.body
        assert b"at 0" not in found.body


async def test_an_actor_that_is_let_go_leaves_a_snapshot_if_it_is_worthwhile() -> None:
    async with tallying(live_actors_max=1) as tallies:
        await count(tallies, times=SOME)
        await count(tallies, name="short", times=SOME - 1)
        await count(tallies, name="other", times=1)
        await count(tallies, name="another", times=1)
        assert await tallies.store.snapshots.get(tally()) is not None
        assert await tallies.store.snapshots.get(tally("short")) is None
        await assert_comes_back(tallies, SOME, replays=1)


async def test_a_snapshot_of_another_schema_is_passed_over_and_replaced() -> None:
    async with with_a_snapshot() as (tallies, found):
        await put(tallies, schema=2)
        await assert_comes_back(tallies, SNAPSHOT_EVENTS + 2, replays=SNAPSHOT_EVENTS + 2)
        await wait_all_tasks_blocked()
        again = await tallies.store.snapshots.get(tally())
        assert again is not None
        assert again.version == found.version + 2
        await assert_comes_back(tallies, SNAPSHOT_EVENTS + 2, replays=1)


@pytest.mark.parametrize("at", [0, 1, 20, 60, -1])
async def test_a_snapshot_that_was_changed_is_passed_over(at: int) -> None:
    async with with_a_snapshot() as (tallies, found):
        body = bytearray(found.body)
        body[at] ^= 1
        await tallies.store.snapshots.put([Snapshot(tally(), found.version, bytes(body))])
        await assert_comes_back(tallies, SNAPSHOT_EVENTS + 2, replays=SNAPSHOT_EVENTS + 2)


@pytest.mark.parametrize("size", [0, 1, 50])
async def test_half_a_snapshot_is_passed_over(size: int) -> None:
    async with with_a_snapshot() as (tallies, found):
        half = Snapshot(tally(), found.version, found.body[:size])
        await tallies.store.snapshots.put([half])
        await assert_comes_back(tallies, SNAPSHOT_EVENTS + 2, replays=SNAPSHOT_EVENTS + 2)


async def test_a_snapshot_of_another_stream_or_version_does_not_open() -> None:
    async with with_a_snapshot() as (tallies, found):
        await count(tallies, name="b")
        other = await tallies.store.snapshots.get(tally("b"))
        assert other is not None
        for moved in (
            Snapshot(tally(), found.version, other.body),
            Snapshot(tally(), found.version + 1, found.body),
        ):
            await tallies.store.snapshots.put([moved])
            assert await tallies.snapshots.find(tally(), TALLY) is None


async def test_a_snapshot_of_another_environment_does_not_open() -> None:
    async with with_a_snapshot() as (tallies, _):
        kept = tallies.store.snapshots
        other = Snapshots(kept, keyring=tallies.keyring, environment="acme/test")
        assert await other.find(tally(), TALLY) is None
        assert await tallies.snapshots.find(tally(), TALLY) is not None


async def test_a_snapshot_beyond_the_end_of_the_log_is_passed_over() -> None:
    async with tallying(live_actors_max=1) as tallies:
        await count(tallies, times=SOME)
        await let_go(tallies)
        await put(tallies, event(SOME + 1))
        assert await tallies.snapshots.find(tally(), TALLY) is not None
        await assert_comes_back(tallies, SOME, replays=SOME)


async def test_a_snapshot_of_a_history_that_the_log_does_not_have_is_passed_over() -> None:
    async with with_a_snapshot() as (tallies, _):
        await put(tallies, event_id=bytes(16))
        assert await tallies.snapshots.find(tally(), TALLY) is not None
        await assert_comes_back(tallies, SNAPSHOT_EVENTS + 2, replays=1 + SNAPSHOT_EVENTS + 2)


async def test_a_snapshot_whose_key_is_gone_is_passed_over() -> None:
    async with with_a_snapshot() as (tallies, _):
        await tallies.store.subject_keys.destroy("a")
        keyring = Keyring(tallies.store.subject_keys, wrapping_key=KEY)
        snapshots = Snapshots(tallies.store.snapshots, keyring=keyring, environment="acme/live")
        assert await snapshots.find(tally(), TALLY) is None


async def test_nothing_is_written_of_what_the_disk_did_not_take() -> None:
    async with tallying(live_actors_max=1) as tallies:
        await count(tallies, times=SNAPSHOT_EVENTS - 1)
        tallies.disk.hold()
        asked = tallies.tell(Count(TEXT))
        await tallies.disk.wait_held()
        await wait_all_tasks_blocked()
        assert await tallies.store.snapshots.get(tally()) is None, "written before the commit"
        tallies.disk.release(failing=True)
        await wait_all_tasks_blocked()
        assert asked.answer is not None
        assert await tallies.store.snapshots.get(tally()) is None
        await assert_comes_back(tallies, SNAPSHOT_EVENTS - 1, replays=SNAPSHOT_EVENTS - 1)


async def test_a_snapshot_of_what_is_on_its_way_to_the_disk_is_written_when_it_is_there() -> None:
    async with tallying(live_actors_max=1) as tallies:
        await count(tallies, times=SNAPSHOT_EVENTS - 1)
        tallies.disk.hold()
        tallies.tell(Count(TEXT))
        await tallies.disk.wait_held()
        await wait_all_tasks_blocked()
        tallies.disk.release()
        await wait_all_tasks_blocked()
        found = await tallies.store.snapshots.get(tally())
        assert found is not None
        assert found.version == SNAPSHOT_EVENTS


async def test_a_write_that_fails_is_logged_and_harms_nobody(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        message = "the disk is full"
        raise StoreUnavailableError(message)

    async with tallying(live_actors_max=1) as tallies:
        with monkeypatch.context() as patch:
            patch.setattr(tallies.store.snapshots, "put", broken)
            await count(tallies)
        assert "snapshots could not be written" in caplog.text
        await assert_comes_back(tallies, SNAPSHOT_EVENTS, replays=SNAPSHOT_EVENTS)
        await wait_all_tasks_blocked()
        assert await tallies.store.snapshots.get(tally()) is not None


async def test_a_read_that_fails_is_logged_and_harms_nobody(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        message = "the disk does not answer"
        raise StoreUnavailableError(message)

    async with with_a_snapshot() as (tallies, _):
        monkeypatch.setattr(tallies.store.snapshots, "get", broken)
        with caplog.at_level(logging.WARNING, "parley.actor"):
            await assert_comes_back(tallies, SNAPSHOT_EVENTS + 2, replays=SNAPSHOT_EVENTS + 2)
        assert "a snapshot could not be read" in caplog.text


async def test_no_more_than_so_many_are_under_way() -> None:
    async with tallying() as tallies:
        names = [str(number) for number in range(SNAPSHOTS_UNDER_WAY_MAX + 5)]
        for name in names:
            await tallies.ask(Count("x"), name=name)
        actors = [await back(tallies, name) for name in names]
        for actor in actors:
            tallies.snapshots.due(actor)
        await wait_all_tasks_blocked()
        found = [await tallies.store.snapshots.get(tally(name)) for name in names]
        assert [one is not None for one in found].count(True) == SNAPSHOTS_UNDER_WAY_MAX
        tallies.snapshots.due(actors[-1])
        await wait_all_tasks_blocked()
        assert await tallies.store.snapshots.get(tally(names[-1])) is not None, "a place came back"


async def test_a_stream_without_events_reads_no_page() -> None:
    async with tallying(live_actors_max=1) as tallies:
        tallies.log.pages_read = 0
        await tallies.ask(Query(length_of))
        assert tallies.log.pages_read == 0


async def test_a_log_that_does_not_answer_is_told_to_the_asker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(_: object) -> int:
        message = "the disk does not answer"
        raise StoreUnavailableError(message)

    async with tallying(MemoryDisk()) as tallies:
        monkeypatch.setattr(tallies.store.log, "head", broken)
        with pytest.raises(StorageError):
            await tallies.ask(Query(length_of))


def test_a_dump_of_another_shape_is_refused() -> None:
    form = TALLY.form
    assert form is not None
    with pytest.raises(msgspec.MsgspecError):
        form.load(msgspec.msgpack.encode({"name": 3}))
