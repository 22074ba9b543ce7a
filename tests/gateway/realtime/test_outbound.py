"""What waits for one client: bounded, in order, and fed from the log when it lags."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.log.event import Event
from gateway.limits import (
    HEARTBEAT_SECONDS,
    OUTBOUND_ANSWER_BYTES_MAX,
    OUTBOUND_BYTES_MAX,
    OUTBOUND_WRITE_SECONDS,
)
from gateway.realtime.outbound import ClientTooSlowError, Outbound
from tests.support.tallies import Count, Tallies, tally, tallying

BEAT = b"beat"


class Client:
    """Takes batches while it may, one at a time."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.reading = trio.Event()

    async def send(self, batch: list[bytes]) -> None:
        await self.reading.wait()
        self.batches.append(batch)

    @property
    def frames(self) -> list[bytes]:
        return [frame for batch in self.batches for frame in batch]


async def test_frames_are_joined_and_keep_their_order() -> None:
    outbound = Outbound(heartbeat=None)
    assert outbound.offer(b"1")
    outbound.answer(b"2")
    assert outbound.offer(b"3")
    assert await outbound.take() == [b"1", b"2", b"3"]


async def test_a_live_frame_beyond_the_bound_is_refused() -> None:
    outbound = Outbound(heartbeat=None)
    assert outbound.offer(b"x" * OUTBOUND_BYTES_MAX)
    assert not outbound.offer(b"y")
    assert await outbound.take() == [b"x" * OUTBOUND_BYTES_MAX]
    assert outbound.offer(b"y")


async def test_one_frame_goes_out_however_large_it_is() -> None:
    outbound = Outbound(heartbeat=None)
    large = b"x" * (OUTBOUND_BYTES_MAX + 1)
    assert outbound.offer(large)
    assert await outbound.take() == [large]


async def test_answers_have_room_where_live_frames_have_none() -> None:
    outbound = Outbound(heartbeat=None)
    assert outbound.offer(b"x" * OUTBOUND_BYTES_MAX)
    outbound.answer(b"y" * OUTBOUND_ANSWER_BYTES_MAX)
    assert len(await outbound.take() or []) == 2


async def test_a_client_that_reads_no_answers_is_cut_off() -> None:
    outbound = Outbound(heartbeat=None)
    outbound.answer(b"y" * (OUTBOUND_BYTES_MAX + OUTBOUND_ANSWER_BYTES_MAX))
    outbound.answer(b"z")
    with pytest.raises(ClientTooSlowError):
        await outbound.take()


async def test_what_waits_is_sent_before_the_end() -> None:
    outbound, client = Outbound(heartbeat=BEAT), Client()
    client.reading.set()
    outbound.answer(b"bye")
    outbound.finish()
    await outbound.pour(client.send)
    assert client.batches == [[b"bye"]]
    assert await outbound.take() is None


async def test_silence_is_broken_by_a_heartbeat(autojump_clock: MockClock) -> None:
    outbound = Outbound(heartbeat=BEAT)
    for beats in (1, 2):
        assert await outbound.take() == [BEAT]
        assert autojump_clock.current_time() == pytest.approx(beats * HEARTBEAT_SECONDS)


async def test_who_wants_no_heartbeat_gets_none(autojump_clock: MockClock) -> None:
    outbound = Outbound(heartbeat=None)
    with trio.move_on_after(3 * HEARTBEAT_SECONDS) as waiting:
        await outbound.take()
    assert waiting.cancelled_caught
    assert autojump_clock.current_time() == pytest.approx(3 * HEARTBEAT_SECONDS)


async def test_a_frame_that_comes_ends_the_wait_at_once(autojump_clock: MockClock) -> None:
    outbound, client = Outbound(heartbeat=BEAT), Client()
    client.reading.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbound.pour, client.send)
        await wait_all_tasks_blocked()
        outbound.offer(b"1")
        await wait_all_tasks_blocked()
        assert client.frames == [b"1"]
        outbound.finish()
    assert autojump_clock.current_time() == 0


async def test_a_write_that_hangs_is_given_up(autojump_clock: MockClock) -> None:
    outbound, client = Outbound(heartbeat=None), Client()
    outbound.offer(b"1")
    with pytest.raises(ClientTooSlowError):
        await outbound.pour(client.send)
    assert autojump_clock.current_time() == pytest.approx(OUTBOUND_WRITE_SECONDS)


def follow(tallies: Tallies, outbound: Outbound, *, bytes_each: int = 1) -> None:
    def sink(event: Event) -> bool:
        return outbound.offer(b"%d " % event.version * bytes_each)

    outbound.followers.append(tallies.bus.follow_stream(tally(), sink, after=0, wake=outbound.wake))


def is_live(outbound: Outbound) -> list[bool]:
    return [follower.live for follower in outbound.followers]


async def test_a_client_that_lags_is_fed_from_the_log_and_misses_nothing() -> None:
    outbound, client = Outbound(heartbeat=None), Client()
    each = OUTBOUND_BYTES_MAX // 8
    async with tallying() as tallies, trio.open_nursery() as nursery:
        follow(tallies, outbound, bytes_each=each)
        nursery.start_soon(outbound.pour, client.send)
        for number in range(40):
            await tallies.ask(Count(str(number)))
        await wait_all_tasks_blocked()
        assert is_live(outbound) == [False]
        client.reading.set()
        await wait_all_tasks_blocked()
        versions = [int(frame.split(b" ", 1)[0]) for frame in client.frames]
        assert versions == list(range(1, 41))
        assert is_live(outbound) == [True]
        most = max(sum(map(len, batch)) for batch in client.batches)
        assert most <= OUTBOUND_BYTES_MAX
        outbound.finish()


async def test_two_followers_that_lag_both_arrive() -> None:
    outbound, client = Outbound(heartbeat=None), Client()
    client.reading.set()
    async with tallying() as tallies, trio.open_nursery() as nursery:
        for number in range(5):
            await tallies.ask(Count(str(number)))
        follow(tallies, outbound)
        follow(tallies, outbound)
        nursery.start_soon(outbound.pour, client.send)
        await wait_all_tasks_blocked()
        assert sorted(client.frames) == sorted(2 * [b"%d " % number for number in range(1, 6)])
        assert is_live(outbound) == [True, True]
        outbound.finish()
