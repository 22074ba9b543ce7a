"""A WebSocket whose server or client cannot keep up: who waits, and for how long."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.errand import Reply
from gateway.callers import Caller
from gateway.limits import (
    CLOSING_SECONDS,
    LAGGING_SECONDS,
    OUTBOUND_BYTES_MAX,
    OUTBOUND_WRITE_SECONDS,
    UNACKED_COMMANDS_MAX,
)
from gateway.wheel import TICK_SECONDS
from tests.gateway.server.doors import Door, door
from tests.gateway.server.pipes import SMALL_BUFFER_BYTES
from tests.gateway.server.sockets import Socket, closing, dialed, frame
from tests.support.disks import MemoryDisk

BATCH = 2 * UNACKED_COMMANDS_MAX


def messages(count: int, text: str = "x", first: int = 0) -> bytes:
    return b"".join(
        frame("message.create", ref=number, conversation="c", message={"text": text})
        for number in range(first, first + count)
    )


def is_heard(socket: Socket) -> bool:
    """Say whether the server reads what this client says."""
    return bool(socket.connection.channel._mask & 1)  # type: ignore[attr-defined]  # noqa: SLF001


async def held(d: Door, disk: MemoryDisk) -> Socket:
    """Open a socket whose commands wait for the disk."""
    socket = await dialed(d)
    await socket.do("message.create", ref=-1, conversation="c", message={"text": "first"})
    disk.hold()
    await socket.say(messages(1))
    with trio.fail_after(10):
        await disk.wait_held()
    return socket


async def test_a_client_with_many_commands_under_way_is_not_read_until_some_are_answered(
    tmp_path: Path,
) -> None:
    disk = MemoryDisk()
    async with door(tmp_path, stores=disk.stores) as d:
        socket = await held(d, disk)
        assert is_heard(socket)
        await socket.say(messages(BATCH, first=1))
        assert not is_heard(socket)
        assert socket.ops == ["ready", "ok"]
        socket.peer.send(messages(1, first=BATCH + 1))
        await wait_all_tasks_blocked()
        disk.release()
        await wait_all_tasks_blocked()
        socket.listen()
        assert [told["ref"] for told in socket.told[2:]] == list(range(BATCH + 2))
        assert is_heard(socket)


async def test_a_client_is_not_read_as_soon_as_so_many_commands_are_under_way(
    tmp_path: Path,
) -> None:
    disk = MemoryDisk()
    async with door(tmp_path, stores=disk.stores) as d:
        socket = await held(d, disk)
        await socket.say(messages(UNACKED_COMMANDS_MAX - 2, first=1))
        assert [is_heard(socket)] == [True]
        await socket.say(messages(1, first=UNACKED_COMMANDS_MAX - 1))
        assert [is_heard(socket)] == [False]
        disk.release()
        await wait_all_tasks_blocked()
        assert [is_heard(socket)] == [True]


async def test_what_comes_while_a_credential_is_looked_at_waits_and_is_then_carried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path) as d:
        found, known = d.node.dispatcher.callers.of, Reply[bool]()

        async def later(credential: str) -> Caller:
            await known.given()
            return await found(credential)

        monkeypatch.setattr(d.node.dispatcher.callers, "of", later)
        socket = await dialed(d, authorized=False)
        await socket.say(frame("auth", token=d.key))
        assert [is_heard(socket)] == [True]
        await socket.say(frame("ping", ref=1), frame("ping", ref=2))
        assert [is_heard(socket)] == [False]
        known.give(answer=True)
        await wait_all_tasks_blocked()
        socket.listen()
        assert [(told["op"], told.get("ref")) for told in socket.told] == [
            ("ready", None),
            ("pong", 1),
            ("pong", 2),
        ]
        assert [is_heard(socket)] == [True]


async def test_a_stopping_server_answers_what_it_has_heard_and_then_says_goodbye(
    tmp_path: Path,
) -> None:
    disk = MemoryDisk()
    async with door(tmp_path, stores=disk.stores) as d:
        socket = await held(d, disk)
        await socket.say(messages(BATCH, first=1))
        await d.node.switchboard.drain()
        await socket.say(messages(1, first=BATCH + 1))
        assert "bye" not in socket.ops
        disk.release()
        await wait_all_tasks_blocked()
        socket.listen()
        assert socket.ops == ["ready", "ok"] + ["ok"] * (1 + BATCH) + ["bye"]
        assert is_heard(socket)
        await socket.say(closing())
        assert socket.peer.over


async def test_a_client_that_was_not_heard_may_still_answer_the_close(tmp_path: Path) -> None:
    disk = MemoryDisk()
    async with door(tmp_path, stores=disk.stores) as d:
        socket = await held(d, disk)
        await socket.say(messages(BATCH, first=1))
        assert [is_heard(socket)] == [False]
        socket.connection.is_stuck()
        await wait_all_tasks_blocked()
        socket.listen()
        assert socket.ops[-1] == "bye"
        await socket.say(closing(4008))
        assert socket.peer.over
        disk.release()
        await wait_all_tasks_blocked()
        assert socket.ops[-1] == "bye"


async def test_a_client_that_leaves_amid_its_commands_harms_nobody(tmp_path: Path) -> None:
    disk = MemoryDisk()
    async with door(tmp_path, stores=disk.stores) as d:
        socket = await held(d, disk)
        await socket.say(messages(BATCH, first=1))
        socket.peer.leave()
        await wait_all_tasks_blocked()
        assert d.left == [socket.connection]
        disk.release()
        await wait_all_tasks_blocked()
        other = await dialed(d)
        told = await other.do("subscribe", ref=1, conversation="c", after=0)
        assert told["op"] == "event"
        versions = [one["version"] for one in other.told if one["op"] == "event"]
        assert len(versions) == 1 + 1 + UNACKED_COMMANDS_MAX  # and the conversation itself


async def lagging(d: Door) -> Socket:
    """Open a socket that follows a conversation and reads nothing of it."""
    socket = await dialed(d, buffer_bytes=SMALL_BUFFER_BYTES)
    await socket.do("message.create", ref=1, conversation="c", message={"text": "first"})
    await socket.do("subscribe", ref=2, conversation="c")
    writer = await dialed(d)
    for _ in range(OUTBOUND_BYTES_MAX // 10_000 + 10):
        await writer.say(messages(1, "y" * 10_000))
    assert socket.connection.wire.blocked
    assert socket.connection.wire.waiting <= OUTBOUND_BYTES_MAX + 20_000
    return socket


async def test_a_client_that_reads_again_has_missed_nothing_and_was_told_how_far_it_was(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        socket = await lagging(d)
        await trio.sleep(LAGGING_SECONDS + 2 * TICK_SECONDS)
        for _ in range(500):
            socket.listen()
            await wait_all_tasks_blocked()
        versions = [told["version"] for told in socket.told if told["op"] == "event"]
        first = versions[0]
        assert versions == list(range(first, first + OUTBOUND_BYTES_MAX // 10_000 + 10))
        (told,) = [told for told in socket.told if told["op"] == "lagging"]
        assert first <= told["version"] <= versions[-1]
        assert not socket.connection.over
    assert autojump_clock.current_time() > LAGGING_SECONDS


async def test_a_client_that_reads_nothing_is_told_goodbye_and_let_go(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        socket = await lagging(d)
        await trio.sleep(OUTBOUND_WRITE_SECONDS + CLOSING_SECONDS + 1)
        assert socket.connection.over
        assert socket.connection in d.left
        assert len(d.node.switchboard.sessions) == 1
    assert autojump_clock.current_time() > OUTBOUND_WRITE_SECONDS


async def test_a_client_that_reads_at_last_hears_why_it_is_let_go(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        socket = await lagging(d)
        await trio.sleep(OUTBOUND_WRITE_SECONDS + 2 * TICK_SECONDS)
        for _ in range(500):
            socket.listen()
            await wait_all_tasks_blocked()
        assert socket.ops[-1] == "bye"
        assert socket.told[-1]["code"] == socket.closes[0][0] == 4008
        assert "resume after version" in socket.told[-1]["reason"]
    assert autojump_clock.current_time() > OUTBOUND_WRITE_SECONDS


@pytest.mark.parametrize("per_key", [1, 2])
async def test_a_key_has_so_many_sockets_and_no_more(tmp_path: Path, per_key: int) -> None:
    async with door(tmp_path, per_key=per_key) as d:
        sockets = [await dialed(d) for _ in range(per_key)]
        refused = await dialed(d)
        assert refused.ops == ["bye"]
        assert refused.told[0]["code"] == 4029
        await sockets[0].say(closing())
        await refused.say(closing())
        assert (await dialed(d)).ops == ["ready"]
