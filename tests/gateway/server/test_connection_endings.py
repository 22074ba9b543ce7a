"""How a connection ends: in time, when the peer has left, and when the server stops."""

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.limits import (
    HEAD_SECONDS,
    HEAR_OUT_SECONDS,
    KEEP_ALIVE_SECONDS,
    OUTBOUND_WRITE_SECONDS,
    REQUEST_BODY_SECONDS,
)
from gateway.server.connection import Connection
from gateway.wheel import TICK_SECONDS
from tests.gateway.server.doors import Door, door
from tests.gateway.server.pipes import SMALL_BUFFER_BYTES, Peer
from tests.gateway.server.test_connection import INDEX, says_close, statuses, written

MOMENT_SECONDS = 0.01


async def ends_after(peer: Peer, seconds: float) -> bytes:
    """Return what comes until the server ends the connection, which it does after ``seconds``."""
    began = trio.current_time()
    found = b""
    while not peer.over:
        assert trio.current_time() - began < seconds + 1, "it goes on"
        await trio.sleep(MOMENT_SECONDS)
        found += peer.read()
    lasted = trio.current_time() - began
    assert seconds <= lasted + MOMENT_SECONDS
    assert lasted <= seconds + TICK_SECONDS + 2 * MOMENT_SECONDS
    return found


def only(d: Door) -> Connection:
    (connection,) = d.left
    return connection


async def test_who_says_nothing_is_let_go(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        assert await ends_after(peer, HEAD_SECONDS) == b""
        assert only(d).over
    assert autojump_clock.current_time() >= HEAD_SECONDS


async def test_a_head_has_so_much_time_however_it_drips(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        for byte in b"GET / HTT":
            peer.send(bytes([byte]))
            await trio.sleep(HEAD_SECONDS / 10)
        answer = await ends_after(peer, HEAD_SECONDS / 10)
        assert statuses(answer) == [408]
        assert says_close(answer)
    assert autojump_clock.current_time() >= HEAD_SECONDS


@pytest.mark.parametrize("pipelined", [False, True])
async def test_a_later_head_has_its_time_from_its_first_byte(
    tmp_path: Path, autojump_clock: MockClock, *, pipelined: bool
) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        if pipelined:
            assert statuses(await d.asked(peer, d.post() + b"GET /")) == [201]
        else:
            assert statuses(await d.asked(peer, d.post())) == [201]
            await trio.sleep(KEEP_ALIVE_SECONDS * 0.9)
            peer.send(b"GET /")
        assert statuses(await ends_after(peer, HEAD_SECONDS)) == [408]
    assert autojump_clock.current_time() >= HEAD_SECONDS


async def test_an_idle_connection_is_kept_for_a_while(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        for _ in range(3):
            assert statuses(await d.asked(peer, d.head(INDEX, authorized=False))) == [401]
            await trio.sleep(KEEP_ALIVE_SECONDS * 0.8)
        assert statuses(await d.asked(peer, d.head(INDEX, authorized=False))) == [401]
        assert await ends_after(peer, KEEP_ALIVE_SECONDS) == b""
    assert autojump_clock.current_time() >= KEEP_ALIVE_SECONDS


async def test_a_body_has_so_much_time_however_it_drips(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        request = d.post("x" * 100)
        peer.send(request[:-60])
        for at in range(9):
            await trio.sleep(REQUEST_BODY_SECONDS / 10)
            peer.send(request[-60 + at : -59 + at])
        found = b""
        while not found:
            await trio.sleep(MOMENT_SECONDS)
            found = peer.read()
        assert statuses(found) == [408]
        assert says_close(found)
        now = autojump_clock.current_time()
        assert REQUEST_BODY_SECONDS <= now <= REQUEST_BODY_SECONDS + TICK_SECONDS + 1


async def test_who_was_refused_may_send_the_rest_for_a_while(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        connection, peer = d.connect()
        line = "POST /v1/conversations/conv_123/messages"
        head = d.head(line, "Content-Length: 900000", authorized=False)
        assert statuses(await d.asked(peer, head)) == [401]
        for _ in range(3):
            peer.send(b"x" * 10_000)
            await trio.sleep(HEAR_OUT_SECONDS / 4)
            assert not connection.over
        await trio.sleep(HEAR_OUT_SECONDS / 2)
        assert connection.over
        assert d.left == [connection]
    assert autojump_clock.current_time() >= HEAR_OUT_SECONDS


async def test_who_does_not_read_its_answer_is_let_go(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        await written(d, 50, "x" * 1000)
        connection, peer = d.connect(buffer_bytes=SMALL_BUFFER_BYTES)
        path = "/v1/conversations/conv_123/messages"
        peer.send(d.head(f"GET {path}"))
        await trio.sleep(OUTBOUND_WRITE_SECONDS * 0.9)
        assert connection.wire.blocked
        await trio.sleep(OUTBOUND_WRITE_SECONDS * 0.2)
        assert only(d) is connection
    assert autojump_clock.current_time() >= OUTBOUND_WRITE_SECONDS


async def large_answer(d: Door, *headers: str) -> tuple[Connection, Peer]:
    """Ask for more than the peer's buffer takes."""
    await written(d, 50, "x" * 1000)
    connection, peer = d.connect(buffer_bytes=SMALL_BUFFER_BYTES)
    peer.send(d.head("GET /v1/conversations/conv_123/messages", *headers))
    await wait_all_tasks_blocked()
    assert connection.wire.blocked
    return connection, peer


async def whole(peer: Peer) -> bytes:
    """Read slowly, to the end."""
    found = await peer.read_until(lambda _: peer.over)
    head, _, body = found.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == length
    return found


@pytest.mark.parametrize("headers", [(), ("Connection: close",)])
async def test_who_says_no_more_is_still_answered_to_the_end(
    tmp_path: Path, headers: tuple[str, ...]
) -> None:
    async with door(tmp_path) as d:
        _, peer = await large_answer(d, *headers)
        peer.say_no_more()
        await wait_all_tasks_blocked()
        assert len(await whole(peer)) > 50_000
        await wait_all_tasks_blocked()
        assert len(d.left) == 1


async def test_who_says_no_more_while_it_is_served_is_answered(tmp_path: Path) -> None:
    may_answer = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    async with door(tmp_path, app=app) as d:
        _, peer = d.connect()
        peer.send(d.head("GET /page"))
        peer.say_no_more()
        await wait_all_tasks_blocked()
        may_answer.set()
        await wait_all_tasks_blocked()
        answer = peer.read()
        assert b"page" in answer
        assert says_close(answer)
        assert peer.over
        assert len(d.left) == 1


@pytest.mark.parametrize("part", ["", "GET / HT", "POST ", "body"])
async def test_who_leaves_amid_a_request_is_let_go_at_once(tmp_path: Path, part: str) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        data = d.post()[:-5] if part == "body" else part.encode()
        if data:
            peer.send(data)
        await wait_all_tasks_blocked()
        peer.say_no_more()
        await wait_all_tasks_blocked()
        assert len(d.left) == 1
        assert d.timers() == 0
        assert d.node.metrics.requests.in_flight == 0


async def test_a_stopping_server_lets_idle_connections_go_at_once(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        connection, fresh = d.connect()
        again, used = d.connect()
        await d.asked(used, d.post())
        connection.stop()
        again.stop()
        for peer in (fresh, used):
            peer.read()
            assert peer.over


async def test_a_stopping_server_answers_what_is_under_way_and_ends(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        connection, peer = d.connect()
        request = d.post("in time")
        assert await d.asked(peer, request[:-4]) == b""
        connection.stop()
        answer = await d.asked(peer, request[-4:] + d.post("too late"))
        assert statuses(answer) == [201]
        assert says_close(answer)
        assert peer.over


async def test_a_stopping_server_sends_an_answer_to_its_end(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        connection, peer = await large_answer(d)
        connection.stop()
        assert statuses(await whole(peer)) == [200]


async def test_the_next_request_is_taken_when_the_answers_before_it_were(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        connection, peer = await large_answer(d)
        principal = await d.node.engine.authenticate(d.key)
        log = (await d.node.engine.environment(principal.workspace, "live")).log
        before = log.committed()
        for number in range(3):
            peer.send(d.post(f"number {number}"))
        await wait_all_tasks_blocked()
        assert connection.wire.blocked
        assert log.committed() == before
        found = await peer.read_until(lambda found: len(statuses(found)) == 4)
        await wait_all_tasks_blocked()
        found += peer.read()
        assert statuses(found) == [200, 201, 201, 201]
        assert [found.index(b"number %d" % number) for number in range(3)] == sorted(
            found.index(b"number %d" % number) for number in range(3)
        )
