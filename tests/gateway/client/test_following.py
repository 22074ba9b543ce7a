"""The client follows a real server: through cuts, restarts and refusals."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from gateway.client.realtime import (
    Events,
    Lost,
    Ready,
    RefusedError,
    Reset,
    State,
    following,
)
from gateway.limits import (
    CONNECT_SECONDS,
    RECONNECT_SECONDS_MIN,
    RETRY_AFTER_SECONDS_MIN,
    SILENT_HEARTBEATS,
)
from tests.gateway.client.proxies import Proxy, proxying
from tests.support.realtime import talking
from tests.support.servers import Server, serving

PATIENCE_SECONDS = 20


@dataclass
class States:
    """What the client has said of its connections, and a way to wait for it."""

    seen: list[State] = field(default_factory=list)
    _changed: trio.Event = field(default_factory=trio.Event)

    def __call__(self, state: State) -> None:
        self.seen.append(state)
        self._changed.set()
        self._changed = trio.Event()

    def count(self, kind: type[State]) -> int:
        return sum(isinstance(state, kind) for state in self.seen)

    async def until(self, kind: type[State], count: int = 1) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.checkpoint()
            while self.count(kind) < count:
                await self._changed.wait()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path / "data") as running:
        yield running


@asynccontextmanager
async def between(server: Server) -> AsyncIterator[Proxy]:
    async with proxying(urlsplit(server.url).port or 0) as proxy:
        yield proxy


async def write(server: Server, texts: list[str], key: str | None = None) -> None:
    async with server.client(key or server.tenant.test) as client:
        for text in texts:
            path = "/v1/conversations/conv_123/messages"
            assert (await client.post(path, json={"text": text})).status_code == 201


async def texts_of(events: Events, count: int) -> list[str]:
    """Return the texts of the next ``count`` messages; other events are passed over."""
    found: list[str] = []
    with trio.fail_after(PATIENCE_SECONDS):
        await trio.lowlevel.checkpoint()
        while len(found) < count:
            received = await anext(events)
            if received.event.type == "message.created":
                found.append(received.event.data["text"])
    return found


async def test_what_happens_is_told_as_it_was_published(server: Server) -> None:
    states = States()
    async with following(server.url, server.tenant.test, on_state=states) as events:
        await states.until(Ready)
        await write(server, ["one", "two"])
        assert await texts_of(events, 1) == ["one"]
        received = await anext(events)
        assert json.loads(received.json)["data"]["text"] == "two"
        assert received.event.version == 3
        async with talking(server.realtime_url, server.tenant.test) as talk:
            await talk.asked("subscribe", conversation="conv_123", after=2)
            assert (await talk.event()).event_bytes == received.json.decode()
    assert states.seen == [Ready("test", "staff")]


async def test_without_a_position_only_what_comes_is_told(server: Server) -> None:
    await write(server, ["before"])
    states = States()
    async with following(server.url, server.tenant.test, on_state=states) as events:
        await states.until(Ready)
        await write(server, ["after"])
        assert await texts_of(events, 1) == ["after"]


@pytest.mark.parametrize("conversation", [None, "conv_123"])
async def test_a_position_brings_what_was_before(server: Server, conversation: str | None) -> None:
    await write(server, ["one", "two", "three"])
    async with following(
        server.url, server.tenant.test, conversation=conversation, after="now-1h"
    ) as events:
        assert await texts_of(events, 3) == ["one", "two", "three"]


async def test_only_the_types_asked_for_are_told(server: Server) -> None:
    await write(server, ["one", "two"])
    for conversation in (None, "conv_123"):
        async with following(
            server.url,
            server.tenant.test,
            conversation=conversation,
            events=["message.*"],
            after="now-1h",
        ) as events:
            first, second = await anext(events), await anext(events)
        assert [first.event.type, second.event.type] == ["message.created"] * 2


@pytest.mark.parametrize("conversation", [None, "conv_123"])
async def test_cuts_at_any_moment_make_no_gap_and_no_double(
    server: Server, conversation: str | None
) -> None:
    await write(server, ["0"])
    states = States()
    heard: list[str] = []
    async with between(server) as proxy, trio.open_nursery() as nursery:

        async def chatter() -> None:
            for number in range(1, 121):
                await write(server, [str(number)])
                if number % 12 == 0:
                    proxy.cut()

        async with following(
            proxy.url, server.tenant.test, conversation=conversation, on_state=states
        ) as events:
            await states.until(Ready)
            nursery.start_soon(chatter)
            heard = await texts_of(events, 120)
    assert heard == [str(number) for number in range(1, 121)]
    assert states.count(Lost) >= 3
    assert proxy.accepted >= 3


@pytest.mark.parametrize("conversation", [None, "conv_123"])
@pytest.mark.parametrize("after", [None, "now", "now-1h"])
async def test_a_cut_before_the_first_event_loses_nothing(
    server: Server, conversation: str | None, after: str | None
) -> None:
    await write(server, ["before"])
    states = States()
    expected = ["before"] * (after == "now-1h") + ["meanwhile", "after"]
    found: list[str] = []
    async with (
        between(server) as proxy,
        following(
            proxy.url, server.tenant.test, conversation=conversation, after=after, on_state=states
        ) as events,
        trio.open_nursery() as nursery,
    ):

        async def read() -> None:
            found.extend(await texts_of(events, len(expected)))

        await states.until(Ready)
        proxy.refusing = True
        proxy.cut()
        # Read from now on: a first event that was quicker than the cut waits to be taken.
        nursery.start_soon(read)
        await states.until(Lost)
        await write(server, ["meanwhile"])
        proxy.refusing = False
        await states.until(Ready, 2)
        await write(server, ["after"])
    assert found == expected


async def test_a_server_that_restarts_is_followed_on(tmp_path: Path) -> None:
    states = States()
    async with serving(tmp_path / "data") as before:
        key = before.tenant.test
    async with (
        proxying(1) as proxy,
        following(proxy.url, key, on_state=states) as events,
    ):
        for text in ("one", "two"):
            async with serving(tmp_path / "data") as server:
                if text == "one":
                    proxy.target = urlsplit(server.url).port or 0
                    await states.until(Ready)
                await write(server, [text], key)
                proxy.target = urlsplit(server.url).port or 0
                assert await texts_of(events, 1) == [text]
    goodbyes = [state for state in states.seen if isinstance(state, Lost)]
    restarting = [state for state in goodbyes if state.reason == "the server is restarting"]
    assert len(restarting) == 2
    assert all(state.retry_s >= RETRY_AFTER_SECONDS_MIN for state in restarting)


async def test_a_connection_that_ends_before_its_answer_is_tried_again_at_once(
    server: Server,
) -> None:
    states = States()
    async with between(server) as proxy:
        proxy.refusing = True
        async with following(proxy.url, server.tenant.test, on_state=states):
            with trio.fail_after(CONNECT_SECONDS / 2):
                await states.until(Lost, 2)
                proxy.refusing = False
                await states.until(Ready)
    assert "closed before it was answered" in str(states.seen[0])


async def test_every_connection_that_was_cut_is_closed_here_too(server: Server) -> None:
    states = States()
    async with (
        between(server) as proxy,
        following(proxy.url, server.tenant.test, on_state=states),
    ):
        await states.until(Ready)
        environment = await server.node.engine.environment(server.tenant.workspace, "test")
        for consumer in environment.consumers.values():
            await consumer.opened()  # views are opened beside everything else
        before = open_files()
        for number in range(1, 6):
            proxy.cut()
            await states.until(Ready, number + 1)
        assert open_files() <= before + 2


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_key_that_is_not_known_ends_it(server: Server) -> None:
    async with following(server.url, "sk_test_nonsense") as events:
        with pytest.raises(RefusedError) as refused:
            await anext(events)
    assert refused.value.status == 401
    assert "sk_test_nonsense" not in str(refused.value)


async def test_a_conversation_that_is_not_there_ends_it(server: Server) -> None:
    async with following(server.url, server.tenant.test, conversation="conv_no") as events:
        with pytest.raises(RefusedError) as refused:
            await anext(events)
    assert (refused.value.status, refused.value.code) == (404, "not_found")


async def test_a_customers_key_may_not_follow_everybody(server: Server) -> None:
    key = await server.ephemeral(parent=server.tenant.test)
    async with following(server.url, key) as events:
        with pytest.raises(RefusedError) as refused:
            await anext(events)
    assert refused.value.status == 403


async def test_what_the_body_raises_reaches_its_caller_as_it_was_raised(server: Server) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with following(server.url, server.tenant.test):
            raise LookupError("mine")


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    states = States()
    async with proxying(1) as proxy:
        port = proxy.port
    async with following(f"http://127.0.0.1:{port}", "k", on_state=states):
        await states.until(Lost, 2)
    assert {type(state) for state in states.seen} == {Lost}


@asynccontextmanager
async def scripted(*scripts: list[dict[str, Any] | int]) -> AsyncIterator[tuple[str, list[Any]]]:
    """Serve WebSockets that say what stands in a script: frames, then a close code.

    Each connection takes the next script; what clients say is collected.
    """
    said: list[Any] = []
    remaining = list(scripts)

    async def talk(request: WebSocketRequest) -> None:
        socket = await request.accept(subprotocol="parley.v1+json")
        for step in remaining.pop(0):
            if isinstance(step, int):
                said.append(json.loads(await socket.get_message()))
                await socket.aclose(step)
                return
            await socket.send_message(json.dumps(step))
        try:
            while True:
                said.append(json.loads(await socket.get_message()))
        except ConnectionClosed:
            return

    async with trio.open_nursery() as nursery:
        listening = await nursery.start(serve_websocket, talk, "127.0.0.1", 0, None)
        yield f"http://127.0.0.1:{listening.port}", said
        nursery.cancel_scope.cancel()


READY = {"op": "ready", "heartbeat_ms": 25_000, "environment": "test", "audience": "staff"}
OK = {"op": "ok", "ref": "follow", "cursor": "cur_begin", "epoch": "abcdefgh"}


def event(cursor: str) -> dict[str, Any]:
    return {
        "op": "event",
        "event": {"type": "t", "id": "e", "data": {}, "time": "", "cursor": cursor},
    }


async def test_a_replaced_log_is_told_and_read_from_its_beginning() -> None:
    states = States()
    reset = {"op": "reset", "ref": "follow", "earliest": 0}
    async with (
        scripted([READY, reset, OK, event("cur_1")]) as (url, said),
        following(url, "k", after="cur_old", on_state=states) as events,
    ):
        assert (await anext(events)).event.cursor == "cur_1"
    assert [type(state) for state in states.seen] == [Reset, Ready]
    assert [frame["after"] for frame in said] == ["cur_old", "1970-01-01T00:00:00Z"]


async def test_a_position_that_counts_from_now_stays_where_it_was() -> None:
    begun = {"op": "ok", "ref": "follow", "version": 3, "epoch": "abcdefgh"}
    async with (
        scripted([READY, begun, 1012], [READY, begun, event("cur_1")]) as (url, said),
        following(url, "k", conversation="conv_1", after="now-2m") as events,
    ):
        await anext(events)
    first, second = (int(frame["after"][4:-1]) for frame in said)
    assert said[0]["after"] == "now-2m"
    assert (first, said[1]["after"][-1]) == (2, "s")
    assert 121 <= second <= 125


async def test_a_goodbye_for_good_is_taken_for_good() -> None:
    bye = {"op": "bye", "code": 4003, "reason": "the key has expired", "reconnect": False}
    async with scripted([READY, OK, bye, 4003]) as (url, _), following(url, "k") as events:
        with pytest.raises(RefusedError, match="the key has expired"):
            await anext(events)


async def test_a_close_that_is_our_fault_is_not_repeated() -> None:
    async with scripted([READY, 4000]) as (url, _), following(url, "k") as events:
        with pytest.raises(RefusedError):
            await anext(events)


async def test_a_server_that_goes_silent_is_left(
    autojump_clock: trio.testing.MockClock,
) -> None:
    del autojump_clock
    states, began = States(), trio.current_time()
    async with (
        scripted([READY, OK], [READY, OK, event("cur_2")]) as (url, said),
        following(url, "k", on_state=states) as events,
    ):
        assert (await anext(events)).event.cursor == "cur_2"
    assert trio.current_time() - began < 25 * SILENT_HEARTBEATS + RECONNECT_SECONDS_MIN + 1
    (lost,) = [state for state in states.seen if isinstance(state, Lost)]
    assert lost.reason == "the server says nothing any more"
    assert [frame.get("after") for frame in said] == [None, "cur_begin"]


async def test_the_servers_pings_are_answered() -> None:
    async with scripted([READY, OK, {"op": "ping"}, event("cur_1")]) as (url, said):
        async with following(url, "k") as events:
            await anext(events)
        assert {"op": "pong"} in said


async def test_what_is_no_parley_server_is_not_tried_again() -> None:
    async with scripted([{"hello": "world"}]) as (url, _), following(url, "k") as events:
        with pytest.raises(RefusedError, match="no answer of a Parley server"):
            await anext(events)
