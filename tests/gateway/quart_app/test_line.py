"""A WebSocket of Quart's as a line: what it says and hears, and how it ends. The test serves it."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.app import build
from gateway.limits import CLOSING_SECONDS, OUTBOUND_WRITE_SECONDS, UNACKED_COMMANDS_MAX
from gateway.quart_app.line import QuartLine
from gateway.realtime.dialects import json, msgpack
from gateway.realtime.protocol import Close
from gateway.realtime.session import Session
from tests.support.faults import FaultyStores
from tests.support.parlours import CONVERSATION, Parlour, parlour

HERE = {"conversation": CONVERSATION}
A_SECOND = 1.0
"""On trio's clock."""

JSON, MSGPACK = json.DIALECT.subprotocol, msgpack.DIALECT.subprotocol


class Socket:
    """What a server of Quart's has of one WebSocket (ASGI); its client reads while it may."""

    def __init__(self, p: Parlour, *, subprotocol: str = JSON) -> None:
        self.taken: list[dict[str, Any]] = []
        """What the server was given to send, in order."""
        self.over_at: float | None = None
        self.living_before = living()
        self._coding = msgspec.msgpack if subprotocol == MSGPACK else msgspec.json
        self._binary = subprotocol == MSGPACK
        self._says, self.unheard = trio.open_memory_channel[dict[str, Any]](math.inf)
        self._may_take = {"websocket.send": trio.Event(), "websocket.close": trio.Event()}
        self.reads()
        self._app = build(p.node.dispatcher, p.node.switchboard)
        self._scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "scheme": "ws",
            "http_version": "1.1",
            "path": "/v1/realtime",
            "raw_path": b"/v1/realtime",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"parley"), (b"authorization", f"Bearer {p.key}".encode())],
            "client": ("192.0.2.1", 4711),
            "server": ("::1", 80),
            "subprotocols": [subprotocol],
            "extensions": {"websocket.http.response": {}},
        }

    async def run(self) -> None:
        """Serve it to its end."""
        try:
            await self._app(self._scope, self.unheard.receive, self._take)
        finally:
            self.over_at = trio.current_time()

    def reads(self) -> None:
        """Take everything from now on."""
        for event in self._may_take.values():
            event.set()

    def stops(self, *kinds: str) -> None:
        """Take nothing of these kinds from now on."""
        self._may_take |= {f"websocket.{kind}": trio.Event() for kind in kinds}

    def says(self, op: str, **members: Any) -> None:
        data = self._coding.encode({"op": op, **members})
        self.says_raw(data if self._binary else data.decode())

    def says_raw(self, message: bytes | str) -> None:
        """Say one message as a server tells it: the other member is not there, or empty."""
        text, data = (message, None) if isinstance(message, str) else (None, message)
        self._says.send_nowait({"type": "websocket.receive", "text": text, "bytes": data})

    def posts(self, *refs: int) -> None:
        for ref in refs:
            self.says("message.create", ref=ref, **HERE, message={"text": f"message {ref}"})

    def leaves(self) -> None:
        self._says.send_nowait({"type": "websocket.disconnect", "code": 1001})

    async def asks(self, op: str, **members: Any) -> dict[str, Any]:
        """Send a frame, and return the last that came when nothing more happens."""
        self.says(op, **members)
        await wait_all_tasks_blocked()
        return self.told[-1]

    def is_over(self) -> bool:
        return self.over_at is not None

    @property
    def messages(self) -> list[bytes | str]:
        sent = [one for one in self.taken if one["type"] == "websocket.send"]
        return [one["bytes"] if one["text"] is None else one["text"] for one in sent]

    @property
    def told(self) -> list[dict[str, Any]]:
        return [self._coding.decode(message) for message in self.messages]

    @property
    def ops(self) -> list[str]:
        return [frame["op"] for frame in self.told]

    @property
    def closed(self) -> tuple[int, str]:
        """The code and the reason of the close; it is the last that was taken, and the end."""
        close = self.taken[-1]
        assert close["type"] == "websocket.close", close
        assert self.is_over()
        return close["code"], close["reason"]

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] in self._may_take:
            await self._may_take[message["type"]].wait()
        self.taken.append(message)


@asynccontextmanager
async def serving(
    folder: Path, *, subprotocol: str = JSON, failing: set[str] | None = None
) -> AsyncIterator[tuple[Parlour, Socket]]:
    """Serve one WebSocket of a node in which ``CONVERSATION`` is at version 2."""
    faults = set[str]() if failing is None else failing
    async with parlour(folder, stores=lambda stores: FaultyStores(stores, faults)) as p:
        desk = await p.desk()
        await desk.post(desk.staff, conversation=CONVERSATION)
        socket = Socket(p, subprotocol=subprotocol)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.run)
            await wait_all_tasks_blocked()
            assert socket.ops == ["ready"]
            yield p, socket
            nursery.cancel_scope.cancel()


async def write(p: Parlour, *texts: str) -> None:
    desk = await p.desk()
    for text in texts:
        await desk.post(desk.staff, text)
    await wait_all_tasks_blocked()


def living() -> int:
    return trio.lowlevel.current_statistics().tasks_living


def nothing_is_left(p: Parlour, socket: Socket) -> bool:
    """Say whether no timer, session or task is there for it any more."""
    tasks = living() - socket.living_before
    return (p.timers(), len(p.node.switchboard.sessions), tasks) == (0, 0, 0)


@pytest.mark.parametrize(("subprotocol", "kind"), [(JSON, str), (MSGPACK, bytes)])
async def test_each_frame_is_a_message_of_its_dialects_kind(
    tmp_path: Path, subprotocol: str, kind: type
) -> None:
    async with serving(tmp_path, subprotocol=subprotocol) as (p, socket):
        await socket.asks("subscribe", ref=1, **HERE)
        await write(p, "one", "two", "three")
        assert await socket.asks("ping", ref=2) == {"op": "pong", "ref": 2}
        assert socket.ops == ["ready", "ok", "event", "event", "event", "pong"]
        events = [frame["event"] for frame in socket.told if frame["op"] == "event"]
        assert [event["data"]["text"] for event in events] == ["one", "two", "three"]
        assert all(type(message) is kind for message in socket.messages)


@pytest.mark.parametrize("message", [b"", ""])
async def test_an_empty_message_is_a_bad_frame_and_no_end(
    tmp_path: Path, message: bytes | str
) -> None:
    async with serving(tmp_path) as (_, socket):
        socket.says_raw(message)
        await wait_all_tasks_blocked()
        assert socket.told[-1]["problem"]["code"] == "bad_frame"
        assert (await socket.asks("ping"))["op"] == "pong"


async def test_while_the_session_has_enough_to_do_nothing_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path) as (p, socket):
        p.disk.hold()
        socket.posts(*range(4 * UNACKED_COMMANDS_MAX))
        await p.disk.wait_held()
        await wait_all_tasks_blocked()
        unread = socket.unheard.statistics().current_buffer_used
        assert unread > 2 * UNACKED_COMMANDS_MAX
        assert socket.ops == ["ready"]
        p.disk.release()
        await wait_all_tasks_blocked()
        assert socket.unheard.statistics().current_buffer_used == 0
        assert [frame["ref"] for frame in socket.told[1:]] == list(range(4 * UNACKED_COMMANDS_MAX))
        assert (await socket.asks("ping"))["op"] == "pong"


async def test_a_farewell_closes_behind_everything_that_was_said(tmp_path: Path) -> None:
    async with serving(tmp_path) as (p, socket):
        await socket.asks("subscribe", **HERE)
        socket.stops("send")
        await write(p, "one", "two")
        await p.node.switchboard.sessions.drain()
        socket.says("ping")
        await wait_all_tasks_blocked()
        assert socket.ops == ["ready", "ok"]
        socket.reads()
        await wait_all_tasks_blocked()
        assert socket.ops == ["ready", "ok", "event", "event", "bye"]
        bye = socket.told[-1]
        assert socket.closed == (bye["code"], bye["reason"])
        assert bye["code"] == Close.RESTART.code
        assert nothing_is_left(p, socket)


async def test_who_leaves_is_let_go_whatever_is_under_way(tmp_path: Path) -> None:
    async with serving(tmp_path) as (p, socket):
        await socket.asks("subscribe", **HERE)
        await socket.asks("subscribe", events=["*"])
        p.disk.hold()
        socket.posts(1, 2)
        await p.disk.wait_held()
        socket.leaves()
        await wait_all_tasks_blocked()
        assert socket.is_over()
        assert (p.timers(), len(p.node.switchboard.sessions)) == (0, 0)
        rooms = p.node.switchboard.rooms_of((await p.caller()).environment)
        assert len(rooms) == 0
        p.disk.release()
        await wait_all_tasks_blocked()
        assert socket.ops == ["ready", "ok", "ok"]
        assert len(await (await p.desk()).events()) == 4


async def test_who_leaves_while_it_is_fed_is_fed_no_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as (p, socket):
        await write(p, *(["x" * 30_000] * 20))
        socket.stops("send")
        socket.says("subscribe", **HERE, after=0)
        await wait_all_tasks_blocked()
        rooms = p.node.switchboard.rooms_of((await p.caller()).environment)
        assert len(rooms) == 1
        socket.leaves()
        await wait_all_tasks_blocked()
        assert len(rooms) == 0
        assert nothing_is_left(p, socket)


async def test_who_takes_nothing_is_let_go_and_told_where_to_resume(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with serving(tmp_path) as (p, socket):
        await socket.asks("subscribe", **HERE)
        socket.stops("send")
        await write(p, "on its way")
        await write(p, *(["x" * 30_000] * 10))
        began = autojump_clock.current_time()
        await trio.sleep(OUTBOUND_WRITE_SECONDS - A_SECOND)
        assert not socket.is_over()
        await trio.sleep(2 * A_SECOND)
        code, reason = socket.closed
        assert code == Close.TOO_SLOW.code
        assert "resume after version" in reason
        assert socket.over_at == began + OUTBOUND_WRITE_SECONDS
        assert nothing_is_left(p, socket)


async def test_who_does_not_take_the_close_either_is_let_go_all_the_same(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with serving(tmp_path) as (p, socket):
        socket.stops("close")
        await p.node.switchboard.sessions.drain()
        await trio.sleep(CLOSING_SECONDS - A_SECOND)
        assert socket.ops == ["ready", "bye"]
        assert len(p.node.switchboard.sessions) == 1
        await trio.sleep(2 * A_SECOND)
        assert (p.timers(), len(p.node.switchboard.sessions)) == (0, 0)
    assert autojump_clock.current_time() == CLOSING_SECONDS + A_SECOND


async def test_who_cannot_be_fed_from_the_log_is_told_to_come_again(tmp_path: Path) -> None:
    failing: set[str] = set()
    async with serving(tmp_path, failing=failing) as (p, socket):
        failing.add("read")
        socket.says("subscribe", ref=1, **HERE, after=0)
        await wait_all_tasks_blocked()
        assert socket.ops == ["ready", "ok", "bye"]
        assert socket.closed[0] == Close.RESTART.code
        assert nothing_is_left(p, socket)


async def test_a_server_that_ends_lets_it_go(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        await p.desk()
        socket = Socket(p)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(socket.run)
            await wait_all_tasks_blocked()
            await socket.asks("subscribe", events=["*"])
            nursery.cancel_scope.cancel()
        assert socket.is_over()
        assert nothing_is_left(p, socket)


class Closed:
    """A WebSocket of which Quart knows that it is closed."""

    def __init__(self) -> None:
        self.sent: list[bytes | str] = []

    async def receive(self) -> None:
        await trio.sleep_forever()

    async def send(self, message: bytes | str) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)

    async def close(self, *_: object) -> None:
        raise RuntimeError("Cannot close websocket multiple times")


async def test_of_two_closes_the_first_counts(tmp_path: Path) -> None:
    async with serving(tmp_path) as (p, socket):
        [session] = p.node.switchboard.sessions._open  # noqa: SLF001
        assert isinstance(session, Session)
        line = session._line  # noqa: SLF001 - no session closes twice by itself
        line.close(Close.RESTART.code, "first")
        line.close(Close.RATE.code, "second")
        await wait_all_tasks_blocked()
        assert socket.closed == (Close.RESTART.code, "first")


async def test_a_socket_that_was_closed_before_is_no_failure(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        socket = Closed()
        line = QuartLine(socket, binary=False)
        line.fail()
        session = Session(
            line,
            dispatcher=p.node.dispatcher,
            switchboard=p.node.switchboard,
            dialect=json.DIALECT,
            caller=await p.caller(),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.run, session)
            await wait_all_tasks_blocked()
            session.fail()
        assert len(socket.sent) == 2
        assert (p.timers(), len(p.node.switchboard.sessions)) == (0, 0)
