"""An open stream: what it says besides events, and how it ends."""

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.conversation.events import Author
from engine.errors import ParleyError
from engine.events.filters import TypeFilter
from engine.events.service import Start
from engine.principal import Principal
from gateway.fanout.switchboard import Switchboard
from gateway.http.media_types import NDJSON, SSE
from gateway.http.problem import HttpError, code_of
from gateway.limits import HEARTBEAT_SECONDS, RETRY_MS
from gateway.quart_app.stream import QuartStream
from gateway.streams.stream import EventStream
from persistence.records import Stream
from tests.gateway.realtime.clients import Client
from tests.gateway.streams.following import caller_of, working
from tests.support.desks import Desk, opened
from tests.support.rooms import rooms_on

LIFETIME_SECONDS = 600
FORMATS = pytest.mark.parametrize("media_type", [SSE, NDJSON])
BEATS = {SSE: b": still here\n\n", NDJSON: b"\n"}


class Answer(Client):
    """The way of a stream to a client; what it takes is one text, in order."""

    def __init__(self, *, chunked: bool = False) -> None:
        super().__init__()
        self.chunked = chunked
        self.silent = False
        self.finished = 0
        self.text = b""

    def take(self, joined: bytes, frames: Sequence[bytes]) -> bool:
        self.silent = False
        taken = super().take(joined, frames)
        self.text += joined if taken else b""
        return taken

    def answer(self, frame: bytes) -> None:
        self.silent = False
        self.text += frame

    def finish(self) -> None:
        self.finished += 1
        self.leave()


def stream_of(
    desk: Desk,
    switchboard: Switchboard,
    media_type: str = NDJSON,
    *,
    who: Principal | None = None,
    start: Start | None = None,
    stream: Stream | None = None,
) -> EventStream:
    caller = caller_of(desk, who or desk.staff, switchboard)
    types = TypeFilter()
    return EventStream(caller, media_type, start=start or Start(0), stream=stream, types=types)


def expiring(desk: Desk) -> Principal:
    return replace(desk.staff, expires_s=int(time.time()) + LIFETIME_SECONDS)


def holds_nothing(desk: Desk, switchboard: Switchboard) -> bool:
    return not rooms_on(desk.environment.bus) and len(switchboard.streams) == 0


@FORMATS
async def test_a_stream_whose_reader_is_slower_than_its_writer_ends_with_its_key(
    mock_clock: MockClock, media_type: str
) -> None:
    async with opened() as desk, working() as switchboard:
        await desk.post(desk.staff)
        chunks = QuartStream(stream_of(desk, switchboard, media_type, who=expiring(desk)))
        texts = 0
        with trio.fail_after(LIFETIME_SECONDS * 3):
            async for chunk in chunks:
                texts += b"message.created" in chunk
                # Before the next chunk is asked for there is always one more event to tell.
                await desk.post(desk.staff)
                mock_clock.jump(LIFETIME_SECONDS / 5)
        assert texts in range(3, 7)
        assert holds_nothing(desk, switchboard)


@FORMATS
async def test_silence_is_broken_by_a_heartbeat_and_by_nothing_else(
    autojump_clock: MockClock, media_type: str
) -> None:
    async with opened() as desk, working() as switchboard:
        answer = Answer()
        stream_of(desk, switchboard, media_type).open(answer)
        opening = f"retry: {RETRY_MS}\n\n".encode() if media_type == SSE else b""
        await trio.sleep(HEARTBEAT_SECONDS * 1.1)
        assert answer.text == opening + BEATS[media_type]
        await trio.sleep(HEARTBEAT_SECONDS * 2)
        assert answer.text.count(BEATS[media_type]) in range(3, 6)
        assert autojump_clock.current_time() == pytest.approx(HEARTBEAT_SECONDS * 3.1)


async def test_who_hears_events_hears_no_heartbeat(autojump_clock: MockClock) -> None:
    async with opened() as desk, working() as switchboard:
        answer = Answer()
        stream_of(desk, switchboard, SSE).open(answer)
        for _ in range(10):
            await desk.post(desk.staff)
            await trio.sleep(HEARTBEAT_SECONDS / 4)
        assert BEATS[SSE] not in answer.text
        assert answer.text.count(b"message.created") == 10
    assert autojump_clock.current_time() > HEARTBEAT_SECONDS * 2


@pytest.mark.parametrize("chunked", [False, True])
async def test_each_event_is_a_chunk_of_its_own_where_that_is_asked_for(*, chunked: bool) -> None:
    async with opened() as desk, working() as switchboard:
        answer = Answer(chunked=chunked)
        stream_of(desk, switchboard).open(answer)
        await wait_all_tasks_blocked()
        await desk.post(desk.staff)
        await wait_all_tasks_blocked()
        lines = [line for batch in answer.batches for line in batch.split(b"\n") if line]
        if chunked:
            size, line = answer.batches[0].split(b"\r\n")[:2]
            assert int(size, 16) == len(line)
        assert b'"type":"conversation.created"' in lines[1 if chunked else 0]


@FORMATS
async def test_a_position_of_another_log_is_told_and_everything_comes(media_type: str) -> None:
    async with opened() as desk, working() as switchboard:
        await desk.post(desk.staff)
        answer = Answer()
        stream_of(desk, switchboard, media_type, start=Start(0, reset=True)).open(answer)
        await wait_all_tasks_blocked()
        reset, created, *_ = [line for line in answer.text.split(b"\n") if b'"type"' in line]
        assert b'"type":"stream.reset","earliest":' in reset
        assert b"conversation.created" in created


@FORMATS
async def test_a_stopping_server_ends_it_and_says_when_to_come_back(media_type: str) -> None:
    async with opened() as desk, working() as switchboard:
        answer = Answer()
        stream = stream_of(desk, switchboard, media_type)
        stream.open(answer)
        await wait_all_tasks_blocked()
        stream.stop(1.5)
        stream.stop(9.0)
        assert answer.finished >= 1
        assert (b"retry: 1500\n\n" in answer.text) == (media_type == SSE)
        assert holds_nothing(desk, switchboard)


async def test_who_leaves_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    async with opened() as desk, working() as switchboard:
        answer = Answer()
        stream = stream_of(desk, switchboard, who=expiring(desk))
        stream.open(answer)
        assert switchboard.streams.counts == {NDJSON: 1}
        await wait_all_tasks_blocked()
        stream.lost()
        stream.lost()
        assert holds_nothing(desk, switchboard)
        assert switchboard.streams.counts == {NDJSON: 0}
        await trio.sleep(LIFETIME_SECONDS * 2)
        assert (answer.text, answer.finished) == (b"", 0)
    assert autojump_clock.current_time() == pytest.approx(LIFETIME_SECONDS * 2)


async def test_a_key_with_as_many_streams_as_it_may_gets_no_other() -> None:
    async with opened() as desk, working(per_key=1) as switchboard:
        first = Answer()
        stream, other = stream_of(desk, switchboard), stream_of(desk, switchboard, SSE)
        stream.open(first)
        with pytest.raises(HttpError) as refused:
            stream_of(desk, switchboard, SSE)
        assert code_of(refused.value) == "too_many_connections"
        second = Answer()
        other.open(second)  # it was asked for before the first one was open
        assert (first.finished, second.finished, second.text) == (0, 1, b"")
        stream.lost()
        third = Answer()
        stream_of(desk, switchboard).open(third)
        assert third.finished == 0


async def test_a_customer_whose_right_cannot_be_looked_up_may_try_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened() as desk, working() as switchboard:
        posted = await desk.post(desk.staff, author=Author("user", "usr_45"))

        async def fail(*_: object) -> None:
            raise ParleyError("the store does not answer")

        monkeypatch.setattr(desk.environment.conversations, "see", fail)
        answer = Answer()
        customer = desk.customer("usr_45")
        stream = posted.event.stream
        stream_of(desk, switchboard, who=customer, stream=stream).open(answer)
        assert answer.failed
        assert answer.batches == []


async def test_a_customer_that_has_left_while_it_was_looked_at_is_not_fed() -> None:
    async with opened() as desk, working() as switchboard:
        posted = await desk.post(desk.staff, author=Author("user", "usr_45"))
        answer = Answer()
        customer = desk.customer("usr_45")
        opened_stream = stream_of(desk, switchboard, who=customer, stream=posted.event.stream)
        opened_stream.open(answer)
        opened_stream.lost()
        await wait_all_tasks_blocked()
        assert (answer.batches, answer.failed) == ([], False)
        assert holds_nothing(desk, switchboard)
