"""A WebSocket of our own: its frames, both ways of closing it, and who is not heard any more."""

import gc
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.errand import Reply
from gateway.callers import Caller
from gateway.limits import (
    AUTH_SECONDS,
    CLOSING_SECONDS,
    FRAME_BYTES_MAX,
    HEAR_OUT_SECONDS,
    HEARTBEAT_SECONDS,
    UNACKED_COMMANDS_MAX,
)
from gateway.realtime.session import Session
from gateway.server.connection import Connection
from gateway.server.websocket_line import WebSocketLine
from gateway.server.wire import Wire
from gateway.wheel import TICK_SECONDS
from tests.gateway.server.doors import door
from tests.gateway.server.masking import said
from tests.gateway.server.sockets import BINARY, TEXT, Socket, closing, dialed, frame, ping, upgrade


def alive(*kinds: type) -> list[object]:
    gc.collect()
    return [one for one in gc.get_objects() if isinstance(one, kinds)]


async def test_who_is_known_by_its_header_is_ready_at_once(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        assert socket.ops == ["ready"]
        assert b"sec-websocket-protocol: parley.v1+json" in socket.head.lower()
        assert (await socket.do("ping", ref=1)) == {"op": "pong", "ref": 1}


async def test_frames_behind_the_head_are_heard(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d, behind=frame("ping", ref="early"))
        assert socket.told[-1] == {"op": "pong", "ref": "early"}


async def test_frames_that_come_in_pieces_and_together_are_heard_in_order(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        data = b"".join(frame("ping", ref=number) for number in range(20))
        for at in range(0, len(data), 11):
            await socket.say(data[at : at + 11])
        assert [told["ref"] for told in socket.told[1:]] == list(range(20))


async def test_a_ping_is_answered_with_its_own_payload(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        await socket.say(ping(b"one"), frame("ping", ref=1), ping(b""), said(10, b"a pong"))
        assert socket.pongs == [b"one", b""]
        assert socket.closes == []


@pytest.mark.parametrize(("code", "answer"), [(1000, 1000), (4321, 4321), (None, 1005)])
async def test_the_close_of_the_client_is_answered_with_its_code_and_ends_it(
    tmp_path: Path, code: int | None, answer: int
) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        await socket.say(closing(code, "gone" if code else ""), frame("ping", ref="unheard"))
        assert socket.closes == [(answer, "")]
        assert socket.ops == ["ready"]
        assert socket.peer.over
        assert len(d.node.switchboard.sessions) == 0


async def test_a_client_that_closes_and_stays_is_let_go(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        await trio.sleep(HEARTBEAT_SECONDS * 20)
        await socket.say(closing())
        assert [socket.connection.over] == [False]
        await trio.sleep(HEAR_OUT_SECONDS + 2 * TICK_SECONDS)
        assert socket.connection.over
        assert d.left == [socket.connection]
    assert autojump_clock.current_time() > HEARTBEAT_SECONDS * 20


async def test_the_close_of_the_server_waits_for_the_clients(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        await d.node.switchboard.drain()
        await socket.say(frame("ping", ref="unheard"), ping(b"unheard"))
        assert socket.ops == ["ready", "bye"]
        assert socket.pongs == []
        assert [code for code, _ in socket.closes] == [socket.told[-1]["code"]]
        assert [socket.peer.over] == [False]
        await socket.say(closing(socket.closes[0][0]))
        assert socket.peer.over
        assert len(socket.closes) == 1


async def test_a_client_that_does_not_answer_the_close_is_let_go(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        await d.node.switchboard.drain()
        began = trio.current_time()
        await trio.sleep(CLOSING_SECONDS - 1)
        assert [socket.connection.over] == [False]
        await trio.sleep(1 + 2 * TICK_SECONDS)
        assert socket.connection.over
        assert autojump_clock.current_time() - began < CLOSING_SECONDS + 1


async def test_when_both_sides_close_at_once_the_client_still_gets_the_close(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        socket.connection.is_stuck()
        socket.connection.received(closing())
        await socket.say()
        assert [code for code, _ in socket.closes] == [4008]
        assert socket.peer.over


async def test_a_close_that_both_have_said_leaves_no_timer_when_the_client_has_left(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        await d.node.switchboard.drain()
        before = d.timers()
        await socket.say(closing())
        assert d.timers() <= before
        socket.peer.leave()
        await wait_all_tasks_blocked()
        assert d.left == [socket.connection]
        assert d.timers() == 0


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"\x81\x05hello", 1002),
        (said(3, b"x"), 1002),
        (said(TEXT, b"\xff\xfe"), 1007),
        (said(TEXT, b"x" * (FRAME_BYTES_MAX + 1))[:14], 1009),
        (b"".join(said(TEXT if not n else 0, b"", final=False) for n in range(1001)), 1008),
        (said(8, b"\x00"), 1002),
    ],
    ids=["no mask", "opcode", "utf-8", "too big", "fragments", "half a code"],
)
async def test_a_violation_closes_with_its_code_behind_what_was_whole_before_it(
    tmp_path: Path, bad: bytes, code: int
) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        await socket.say(frame("ping", ref="heard"), bad, frame("ping", ref="unheard"))
        assert [found for found, _ in socket.closes] == [code]
        assert [told.get("ref") for told in socket.told[1:]] == ["heard"]
        assert socket.peer.over
        assert len(d.node.switchboard.sessions) == 0


async def test_a_message_is_heard_in_either_kind_and_in_fragments(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        words = b'{"op":"ping","ref":1}'
        await socket.say(said(BINARY, words))
        await socket.say(said(TEXT, words[:5], final=False), ping(b"amid"), said(0, words[5:]))
        assert [(told["op"], told.get("ref")) for told in socket.told[1:]] == [("pong", 1)] * 2
        assert socket.pongs == [b"amid"]


async def test_a_client_that_vanishes_is_let_go_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        await socket.do("message.create", ref=1, conversation="c", message={"text": "x"})
        await socket.do("subscribe", ref=2, conversation="c")
        assert d.timers() > 0
        socket.peer.leave()
        await wait_all_tasks_blocked()
        assert d.left == [socket.connection]
        assert len(d.node.switchboard.sessions) == 0
        assert d.timers() == 0
        d.left.clear()
        del socket
        assert alive(Connection, Wire, WebSocketLine, Session) == []


async def test_a_closed_connection_is_freed_when_its_last_deadline_is_over(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        await d.node.switchboard.drain()
        await socket.say(closing())
        del socket
        await trio.sleep(CLOSING_SECONDS + 1)
        assert len(d.left) == 1
        d.left.clear()
        assert d.timers() == 0
        assert alive(Connection, Wire, WebSocketLine, Session) == []
    assert autojump_clock.current_time() > CLOSING_SECONDS


async def test_who_does_not_say_who_it_is_is_let_go(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        silent, said_so = await dialed(d, authorized=False), await dialed(d, authorized=False)
        assert (await said_so.do("auth", token=d.key))["op"] == "ready"
        await trio.sleep(AUTH_SECONDS + 2 * TICK_SECONDS)
        for socket in (silent, said_so):
            socket.listen()
        assert silent.ops == ["bye"]
        assert said_so.ops == ["ready"]
    assert autojump_clock.current_time() > AUTH_SECONDS


async def test_silence_is_broken_by_a_heartbeat(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with door(tmp_path) as d:
        quiet, busy = await dialed(d), await dialed(d)
        for _ in range(8):
            await trio.sleep(HEARTBEAT_SECONDS / 4)
            await busy.do("ping", ref=1)
        quiet.listen()
        assert quiet.ops.count("ping") in {2, 3}
        assert "ping" not in busy.ops
    assert autojump_clock.current_time() >= HEARTBEAT_SECONDS * 2


async def until_full(d_socket: Socket, count: int) -> None:
    message = {"text": "x"}
    await d_socket.say(
        *(
            frame("message.create", ref=number, conversation="c", message=message)
            for number in range(count)
        )
    )


async def test_more_commands_than_may_be_under_way_wait_and_are_carried_out_in_order(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as d:
        socket = await dialed(d)
        await until_full(socket, 3 * UNACKED_COMMANDS_MAX)
        oks = [told for told in socket.told if told["op"] == "ok"]
        assert [ok["ref"] for ok in oks] == list(range(3 * UNACKED_COMMANDS_MAX))
        versions = [ok["version"] for ok in oks]
        assert versions == sorted(versions)


async def test_a_client_that_leaves_before_it_is_known_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path) as d:
        found, known = d.node.dispatcher.callers.of, Reply[bool]()

        async def later(credential: str) -> Caller:
            await known.given()
            return await found(credential)

        monkeypatch.setattr(d.node.dispatcher.callers, "of", later)
        _, peer = d.connect()
        assert await d.asked(peer, upgrade(d)) == b""
        peer.leave()
        await wait_all_tasks_blocked()
        known.give(answer=True)
        await wait_all_tasks_blocked()
        assert len(d.left) == 1
        assert len(d.node.switchboard.sessions) == 0
        assert d.timers() == 0


@pytest.mark.parametrize("path", ["/v1/nowhere", "/v1/conversations/c"])
async def test_an_upgrade_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        answer = await d.asked(peer, upgrade(d, path=path))
        assert answer.startswith(b"HTTP/1.1 4")
        assert b"connection: close" in answer
        assert peer.over
