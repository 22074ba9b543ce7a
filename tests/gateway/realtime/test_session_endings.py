"""How a realtime connection ends: by us, by its client, by its key, and by a server that stops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.fanout import expiry
from gateway.limits import HEARTBEAT_SECONDS, UNACKED_COMMANDS_MAX
from gateway.realtime.protocol import RETRY_AFTER_S, Close
from gateway.wheel import TICK_SECONDS
from persistence.errors import StoreUnavailableError
from persistence.protocols.store import Store
from tests.support.faults import FaultyStores
from tests.support.parlours import CONVERSATION, Guest, Parlour, parlour

HERE = {"conversation": CONVERSATION}
RETRY_S = 3.5


@asynccontextmanager
async def two_under_way(folder: Path) -> AsyncIterator[tuple[Parlour, Guest]]:
    """Yield a guest with two messages that wait for the disk."""
    async with parlour(folder) as p:
        guest = await p.guest()
        p.disk.hold()
        guest.posts(1, 2)
        await p.disk.wait_held()
        yield p, guest


async def texts(p: Parlour) -> list[str]:
    """Return the messages that are on disk but for the first, which made the conversation."""
    events = await (await p.desk()).events()
    return [event.payload.text for event in events[2:]]


async def test_a_stop_says_goodbye_at_once_to_who_waits_for_nothing(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        for guest in (await p.guest(), p.comes()):
            guest.session.stop(RETRY_S)
            assert guest.bye["code"] == Close.RESTART.code
            assert (guest.bye["reconnect"], guest.bye["retry_after"]) == (True, RETRY_S)
            guest.session.stop(2 * RETRY_S)
            assert guest.ops.count("bye") == 1


async def test_a_stop_waits_for_the_answers_and_hears_no_more(tmp_path: Path) -> None:
    async with two_under_way(tmp_path) as (p, guest):
        guest.session.stop(RETRY_S)
        guest.session.stop(2 * RETRY_S)
        guest.says("ping", ref="unheard")
        guest.posts(3)
        await wait_all_tasks_blocked()
        assert guest.ops == ["ready"]
        p.disk.release()
        await wait_all_tasks_blocked()
        assert guest.ops == ["ready", "ok", "ok", "bye"]
        assert guest.refs == [1, 2]
        assert guest.bye["retry_after"] == RETRY_S
        assert await texts(p) == ["message 1", "message 2"]


async def test_a_stop_waits_for_what_was_heard_and_had_no_room_yet(tmp_path: Path) -> None:
    refs = list(range(2 * UNACKED_COMMANDS_MAX + 1))
    async with parlour(tmp_path) as p:
        guest = await p.guest()
        p.disk.hold()
        guest.posts(*refs)
        await p.disk.wait_held()
        guest.session.stop(RETRY_S)
        guest.posts(-1)
        p.disk.release()
        await wait_all_tasks_blocked()
        assert guest.refs == refs
        assert guest.bye["code"] == Close.RESTART.code
        assert await texts(p) == [f"message {ref}" for ref in refs]


async def test_a_stop_waits_for_answers_that_are_refusals_too(tmp_path: Path) -> None:
    async with two_under_way(tmp_path) as (p, guest):
        guest.session.stop(RETRY_S)
        p.disk.release(failing=True)
        await wait_all_tasks_blocked()
        assert guest.ops == ["ready", "error", "error", "bye"]
        assert guest.refs == [1, 2]


async def test_who_leaves_while_a_stop_waits_is_told_no_more(tmp_path: Path) -> None:
    async with two_under_way(tmp_path) as (p, guest):
        guest.session.stop(RETRY_S)
        guest.session.lost()
        p.disk.release()
        await wait_all_tasks_blocked()
        assert "bye" not in guest.ops
        assert guest.ear.closed is None
        assert await texts(p) == ["message 1", "message 2"]


async def test_who_is_stopped_before_it_is_known_is_not_let_in_any_more(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        guest, key = p.comes(), await p.key_of("test")
        guest.says("auth", ref=1, token=key)
        guest.session.stop(RETRY_S)
        assert guest.bye["code"] == Close.RESTART.code
        await wait_all_tasks_blocked()
        assert guest.ops == ["bye"]
        assert p.timers() == 0


async def test_who_leaves_before_it_is_known_is_told_nothing(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        guest, key = p.comes(), await p.key_of("test")
        guest.says("auth", ref=1, token=key)
        guest.says("ping", ref=2)
        guest.session.lost()
        await wait_all_tasks_blocked()
        assert guest.told == []
        assert (p.timers(), len(p.node.switchboard.sessions)) == (0, 0)


async def test_who_leaves_lets_everything_go_and_may_be_lost_twice(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        guest, stays = await p.guest(expires_s=4_102_444_800), p.comes(await p.caller())
        await stays.asks("subscribe", **HERE)
        environment = (await p.caller()).environment
        rooms = p.node.switchboard.rooms_of(environment)
        before = (p.timers(), len(rooms), len(p.node.switchboard.sessions))
        other = p.comes(await p.caller(expires_s=4_102_444_800))
        await other.asks("subscribe", **HERE)
        await other.asks("subscribe", events=["*"])
        assert len(rooms) == 2
        await other.asks("typing", ref=1, **HERE, state="start", author=AGENT)
        heard = len(stays.told)
        for _ in range(2):
            other.session.lost()
        assert (p.timers(), len(rooms), len(p.node.switchboard.sessions)) == before
        assert [frame["state"] for frame in stays.told[heard:]] == ["stop"]
        heard = len(other.told)
        for end in (other.session.fail, other.session.end_too_slow, other.session.tell_lagging):
            end()
        other.session.stop(RETRY_S)
        other.says("ping")
        await guest.asks("message.create", **HERE, message={"text": "Hello"})
        assert len(other.told) == heard
        assert other.ear.closed is None


AGENT = {"type": "agent", "id": "agt_1"}


async def test_a_refusal_that_comes_too_late_is_told_to_nobody(tmp_path: Path) -> None:
    async with two_under_way(tmp_path) as (p, guest):
        guest.says("subscribe", ref="late", **HERE, after=99)
        await wait_all_tasks_blocked()
        guest.session.lost()
        p.disk.release()
        await wait_all_tasks_blocked()
        assert "late" not in guest.refs
        assert len(p.node.switchboard.rooms_of((await p.caller()).environment)) == 0


async def test_a_key_opens_so_many_sockets_and_one_more_when_one_has_gone(tmp_path: Path) -> None:
    async with parlour(tmp_path, per_key=2) as p:
        first, second = [p.comes(await p.caller()) for _ in range(2)]
        by_header, by_frame = p.comes(await p.caller()), p.comes()
        await by_frame.asks("auth", ref=1, token=p.key)
        for guest in (by_header, by_frame):
            assert guest.ops == ["bye"]
            assert guest.bye["code"] == Close.RATE.code
            assert (guest.bye["reconnect"], guest.bye["retry_after"]) == (True, RETRY_AFTER_S)
            guest.session.lost()
        second.session.lost()
        assert p.comes(await p.caller()).ops == ["ready"]
        assert p.comes(await p.caller()).ops == ["bye"]
        assert (await first.asks("ping"))["op"] == "pong"


NOW_S = 1_700_000_000


@pytest.mark.parametrize("left_seconds", [60, 0, -5])
async def test_it_ends_when_its_key_does(
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    left_seconds: int,
) -> None:
    monkeypatch.setattr(expiry, "time", SimpleNamespace(time=lambda: float(NOW_S)))
    async with parlour(tmp_path) as p:
        guest = await p.guest(expires_s=NOW_S + left_seconds)
        stays = p.comes(await p.caller())
        began = autojump_clock.current_time()
        await trio.sleep(2 * HEARTBEAT_SECONDS + 60)
        assert guest.bye["code"] == Close.FORBIDDEN.code
        assert (guest.bye["reconnect"], guest.bye["retry_after"]) == (False, None)
        lasted = guest.ear.moments[-1] - began
        assert 0 <= lasted - max(0, left_seconds) <= TICK_SECONDS
        assert "bye" not in stays.ops


async def lagging(p: Parlour, *guests: Guest) -> tuple[str, int]:
    """Let guests follow a conversation and stop reading; return its id, and how far they are."""
    desk = await p.desk()
    last = (await desk.post(desk.staff)).event
    for guest in guests:
        await guest.asks("subscribe", **HERE)
        guest.ear.stops()
    await desk.post(desk.staff, "unread")
    await wait_all_tasks_blocked()
    return last.stream.name, last.version


async def test_who_reads_nothing_is_told_how_far_it_is_in_all_that_it_follows(
    tmp_path: Path,
) -> None:
    async with parlour(tmp_path) as p:
        guest, follows_none = await p.guest(), p.comes(await p.caller())
        await guest.asks("subscribe", events=["message.created"])
        conversation, version = await lagging(p, guest)
        for one in (guest, follows_none, p.comes()):
            one.session.tell_lagging()
        told = [frame for frame in guest.told if frame["op"] == "lagging"]
        assert {(frame["conversation"], frame["version"]) for frame in told} == {
            (conversation, version),
            (None, (await p.caller()).environment.log.committed() - 1),
        }
        assert follows_none.ops == ["ready"]
        guest.ear.reads()
        await wait_all_tasks_blocked()
        heard = len(guest.told)
        guest.session.tell_lagging()
        assert len(guest.told) == heard


async def test_who_is_too_slow_is_told_where_to_resume(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        guest, unknown = await p.guest(), p.comes()
        _, version = await lagging(p, guest)
        for one, place in ((guest, f"resume after version {version}"), (unknown, "resume after")):
            one.session.end_too_slow()
            assert one.bye["code"] == Close.TOO_SLOW.code
            assert (one.bye["reconnect"], one.bye["retry_after"]) == (True, RETRY_AFTER_S)
            assert place in one.bye["reason"]
        guest.session.end_too_slow()
        assert guest.ops.count("bye") == 1


async def test_who_cannot_be_fed_from_the_log_is_told_to_come_again(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        guest = await p.guest()
        guest.session.fail()
        assert guest.bye["code"] == Close.RESTART.code
        assert (guest.bye["reconnect"], guest.bye["retry_after"]) == (True, RETRY_AFTER_S)


async def test_behind_a_farewell_nothing_is_for_this_connection(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with parlour(tmp_path) as p:
        guest = await p.guest()
        await guest.asks("subscribe", **HERE)
        guest.session.fail()
        assert p.timers() == 0
        assert len(p.node.switchboard.rooms_of((await p.caller()).environment)) == 0
        guest.posts(1)
        await trio.sleep(2 * HEARTBEAT_SECONDS)
        assert await texts(p) == []
        assert len(p.node.switchboard.sessions) == 1
        guest.session.lost()
        assert len(p.node.switchboard.sessions) == 0
    assert autojump_clock.current_time() > HEARTBEAT_SECONDS


async def test_a_stop_waits_for_a_subscribe_under_way_and_what_was_heard_behind_it(
    tmp_path: Path,
) -> None:
    async with parlour(tmp_path) as p:
        guest, desk = await p.guest(), await p.desk()
        await desk.post(desk.staff, conversation="conv_b")
        p.disk.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.post, desk.staff)  # what is to be seen waits for the disk
            await p.disk.wait_held()
            guest.says("subscribe", ref=1, **HERE)
            guest.posts(2)
            guest.session.stop(RETRY_S)
            p.disk.release()
        await wait_all_tasks_blocked()
        assert guest.refs == [1, 2]
        assert guest.ops[-1] == "bye"


class Closed(FaultyStores):
    """Stores of which that of the test environment cannot be opened."""

    def store(self, workspace: str, environment: str) -> Store:
        store = super().store(workspace, environment)
        if environment == "test":
            vars(store)["run"] = self._fail
        return store

    async def _fail(  # noqa: ASYNC128 - it never starts
        self, *, task_status: trio.TaskStatus[None]
    ) -> None:
        del task_status
        raise StoreUnavailableError("no disk right now")


async def test_a_store_that_does_not_answer_refuses_no_credential(tmp_path: Path) -> None:
    async with parlour(tmp_path, stores=Closed) as p:
        guest = p.comes()
        guest.says("auth", ref=1, token=await p.key_of("test"))
        await wait_all_tasks_blocked()
        assert guest.told[0]["problem"]["code"] == "storage_unavailable"
        assert guest.bye["code"] == Close.RESTART.code
        assert guest.bye["reconnect"] is True
