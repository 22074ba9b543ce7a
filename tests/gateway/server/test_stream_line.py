"""Open streams over connections of our own: their bytes, and how they end."""

import re
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.limits import CLOSING_SECONDS, HEARTBEAT_SECONDS, OUTBOUND_WRITE_SECONDS
from gateway.wheel import TICK_SECONDS
from tests.gateway.server.doors import Door, door
from tests.gateway.server.pipes import SMALL_BUFFER_BYTES, Peer
from tests.gateway.server.test_connection import says_close, statuses, written

EVENTS = "GET /v1/conversations/conv_123/events?after=0"
NDJSON, SSE = "Accept: application/x-ndjson", "Accept: text/event-stream"


def dechunked(data: bytes) -> tuple[list[bytes], bool]:
    """Return the chunks of a body, and whether its end has come (RFC 9112, section 7.1)."""
    chunks: list[bytes] = []
    while data:
        size, _, data = data.partition(b"\r\n")
        if int(size, 16) == 0:
            assert data == b"\r\n"
            return chunks, True
        chunks.append(data[: int(size, 16)])
        assert data[int(size, 16) :][:2] == b"\r\n"
        data = data[int(size, 16) + 2 :]
    return chunks, False


def versions(text: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb'"version":(\d+)', text)]


async def opened(d: Door, *headers: str, line: str = EVENTS) -> tuple[Peer, bytes, bytes]:
    """Open a stream; return its head, and what came behind it."""
    _, peer = d.connect()
    answer = await d.asked(peer, d.head(line, *headers))
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert statuses(head) == [200]
    return peer, head + b"\r\n", rest


@pytest.mark.parametrize("media", [NDJSON, SSE])
async def test_each_event_is_a_chunk_of_its_own(tmp_path: Path, media: str) -> None:
    async with door(tmp_path) as d:
        await written(d, 2)
        peer, head, rest = await opened(d, media)
        assert b"transfer-encoding: chunked\r\n" in head
        assert says_close(head)
        assert b"cache-control: no-store\r\n" in head.lower()
        await written(d)
        chunks, ended = dechunked(rest + peer.read())
        events = [chunk for chunk in chunks if b'"version"' in chunk]
        assert versions(b"".join(events)) == [1, 2, 3, 4]
        assert len(events) == 4
        assert not ended


async def test_a_client_of_the_old_version_reads_up_to_the_end(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        await written(d)
        peer, head, rest = await opened(d, NDJSON, line=EVENTS + " HTTP/1.0")
        assert b"chunked" not in head
        assert versions(rest) == [1, 2]
        assert not peer.over
        await d.node.switchboard.drain()
        await wait_all_tasks_blocked()
        assert peer.read() == b""
        assert peer.over


async def test_a_stopping_server_ends_a_stream_as_a_whole(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        await written(d)
        peer, _, rest = await opened(d, SSE)
        connection = next(iter(d.node.switchboard.streams._open))  # noqa: SLF001
        assert connection is not None
        await d.node.switchboard.drain()
        await wait_all_tasks_blocked()
        chunks, ended = dechunked(rest + peer.read())
        assert ended
        assert re.fullmatch(rb"retry: \d+\n\n", chunks[-1])
        assert peer.over
        assert len(d.node.switchboard.streams) == 0
        await trio.sleep(CLOSING_SECONDS + 2 * TICK_SECONDS)
        assert d.timers() == 0
    assert autojump_clock.current_time() > CLOSING_SECONDS


async def test_who_leaves_leaves_nothing_behind(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        await written(d)
        peer, _, _ = await opened(d, NDJSON)
        assert len(d.node.switchboard.streams) == 1
        peer.send(b"GET / what is said amid a stream is dropped")
        await wait_all_tasks_blocked()
        peer.say_no_more()
        await wait_all_tasks_blocked()
        assert len(d.left) == 1
        assert len(d.node.switchboard.streams) == 0
        assert d.timers() == 0


async def test_silence_is_broken_by_a_heartbeat(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with door(tmp_path) as d:
        await written(d)
        peer, _, rest = await opened(d, SSE)
        assert b": still here" not in rest
        await trio.sleep(HEARTBEAT_SECONDS + 1)
        chunks, _ = dechunked(peer.read())
        assert chunks == [b": still here\n\n"]
    assert autojump_clock.current_time() >= HEARTBEAT_SECONDS


async def test_a_client_that_does_not_read_is_cut_off_and_had_no_gap(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        await written(d, 60, "x" * 10_000)
        _, peer = d.connect(buffer_bytes=SMALL_BUFFER_BYTES)
        peer.send(d.head(EVENTS, NDJSON))
        await trio.sleep(OUTBOUND_WRITE_SECONDS * 0.9)
        assert d.left == []
        await trio.sleep(OUTBOUND_WRITE_SECONDS * 0.2)
        assert len(d.left) == 1
        found = versions(peer.read())
        assert found == list(range(1, len(found) + 1))
    assert autojump_clock.current_time() > OUTBOUND_WRITE_SECONDS


async def test_a_client_that_reads_slowly_gets_everything(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        await written(d, 60, "x" * 10_000)
        _, peer = d.connect(buffer_bytes=SMALL_BUFFER_BYTES)
        peer.send(d.head(EVENTS, NDJSON))
        found = await peer.read_until(lambda found: versions(found)[-1:] == [61])
        assert versions(found) == list(range(1, 62))


async def test_a_head_request_is_answered_by_the_head_alone(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        await written(d)
        _, peer = d.connect()
        line = EVENTS.replace("GET", "HEAD")
        answer = await d.asked(peer, d.head(line, NDJSON))
        assert statuses(answer) == [200]
        assert answer.endswith(b"\r\n\r\n")
        assert len(d.node.switchboard.streams) == 0
        assert statuses(await d.asked(peer, d.post())) == [201]


async def test_a_stream_whose_log_fails_ends_amid_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path) as d:
        await written(d)
        principal = await d.node.engine.authenticate(d.key)
        environment = await d.node.engine.environment(principal.workspace, "live")

        async def fail(*_: object, **__: object) -> None:
            raise KeyError("a fault")

        monkeypatch.setattr(environment.log, "read", fail)
        _, peer = d.connect()
        answer = await d.asked(peer, d.head(EVENTS, NDJSON))
        assert not dechunked(answer.partition(b"\r\n\r\n")[2])[1]
        assert peer.over
