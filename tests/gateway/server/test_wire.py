"""Bytes on their way over one connection: at once, joined, in order, bounded, and on time."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.fanout.outlet import ClosedOutletError
from gateway.limits import (
    LAGGING_SECONDS,
    OUTBOUND_ANSWER_BYTES_MAX,
    OUTBOUND_BYTES_MAX,
    OUTBOUND_WRITE_SECONDS,
)
from gateway.wheel import TICK_SECONDS
from tests.gateway.server.pipes import Pipe, piped

LARGE = 100_000


async def block(pipe: Pipe, size: int = LARGE) -> bytes:
    """Send more than the peer's buffer takes; return what was sent."""
    data = bytes(number % 251 for number in range(size))
    assert pipe.wire.take(data)
    assert pipe.wire.blocked
    return data


async def drained(pipe: Pipe, size: int) -> bytes:
    """Return ``size`` bytes that the peer reads, and no more are there."""
    data = await pipe.peer.read_until(lambda found: len(found) >= size)
    await wait_all_tasks_blocked()
    return data + pipe.peer.read()


def scheduled(pipe: Pipe) -> int:
    """Return how many timers are set and were not cancelled."""
    buckets = pipe.wheel._buckets.values()  # noqa: SLF001
    return sum(timer.call is not None for bucket in buckets for timer in bucket)


async def test_what_comes_for_an_idle_peer_is_sent_at_once_and_nothing_is_scheduled() -> None:
    async with piped() as pipe:
        pipe.wire.silent = True
        assert pipe.wire.take(b"live", (b"live",))
        assert pipe.peer.read() == b"live"
        assert [pipe.wire.silent] == [False]
        assert not pipe.wire.blocked
        assert scheduled(pipe) == 0
        assert not pipe.outflow.flush()
        assert pipe.peer.read() == b""


async def test_answers_leave_in_one_write_at_the_end_of_the_pass_and_what_follows_behind() -> None:
    async with piped() as pipe:
        pipe.wire.silent = True
        pipe.wire.answer(b"1")
        pipe.wire.answer(b"2")
        assert pipe.wire.take(b"3")
        pipe.wire.answer(b"4")
        assert pipe.peer.read() == b""
        assert [pipe.wire.silent] == [True]
        assert not pipe.outflow.flush()
        assert pipe.peer.read() == b"1234"
        assert [pipe.wire.silent] == [False]
        assert scheduled(pipe) == 0


async def test_an_answer_that_nobody_flushes_leaves_by_itself() -> None:
    async with piped() as pipe:
        pipe.wire.answer(b"1")
        await wait_all_tasks_blocked()
        assert pipe.peer.read() == b"1"


async def test_what_does_not_fit_waits_and_leaves_in_order_when_the_peer_reads() -> None:
    async with piped() as pipe:
        data = await block(pipe)
        assert pipe.wire.take(b"live")
        pipe.wire.answer(b"answer")
        pipe.outflow.flush()
        assert scheduled(pipe) == 1
        assert await drained(pipe, len(data) + 10) == data + b"liveanswer"
        assert not pipe.wire.blocked
        assert scheduled(pipe) == 0
        assert pipe.wire.take(b"at once again")
        assert pipe.peer.read() == b"at once again"
        assert pipe.told.log == []


async def test_live_frames_have_so_much_room_and_no_more() -> None:
    async with piped() as pipe:
        pipe.wire.answer(b"1")
        assert pipe.wire.take(b"x" * (OUTBOUND_BYTES_MAX - 1))
        assert not pipe.wire.take(b"y")
        pipe.wire.answer(b"2")
        assert await drained(pipe, OUTBOUND_BYTES_MAX + 1) == (
            b"1" + b"x" * (OUTBOUND_BYTES_MAX - 1) + b"2"
        )
        assert pipe.wire.take(b"y")
        assert pipe.told.log == []


async def test_for_an_idle_peer_a_frame_may_have_any_size() -> None:
    async with piped() as pipe:
        data = await block(pipe, 3 * OUTBOUND_BYTES_MAX)
        assert not pipe.wire.take(b"y")
        assert await drained(pipe, len(data)) == data


async def test_answers_beyond_their_bound_say_that_the_peer_is_stuck() -> None:
    async with piped() as pipe:
        await block(pipe, OUTBOUND_BYTES_MAX // 2)
        rest = pipe.wire._bytes  # noqa: SLF001
        pipe.wire.answer(b"x" * (OUTBOUND_BYTES_MAX + OUTBOUND_ANSWER_BYTES_MAX - rest))
        assert pipe.told.log == []
        pipe.wire.answer(b"one more")
        assert pipe.told.log == ["stuck"]


async def test_one_answer_may_have_any_size_when_nothing_waits() -> None:
    async with piped() as pipe:
        size = OUTBOUND_BYTES_MAX + OUTBOUND_ANSWER_BYTES_MAX + 1
        pipe.wire.answer(b"x" * size)
        assert pipe.told.log == []
        assert len(await drained(pipe, size)) == size


async def test_there_is_room_when_most_was_taken() -> None:
    async with piped() as pipe:
        await pipe.wire.has_room()
        data = await block(pipe, OUTBOUND_BYTES_MAX)
        roomy: list[int] = []

        async def wait() -> None:
            await pipe.wire.has_room()
            roomy.append(pipe.wire._bytes)  # noqa: SLF001

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            assert roomy == []
            assert await drained(pipe, len(data)) == data
        assert max(roomy) <= OUTBOUND_BYTES_MAX // 2
        assert len(roomy) == 2


@pytest.mark.parametrize("end", ["finish", "break"])
async def test_who_waits_for_room_is_told_of_the_end(end: str) -> None:
    async with piped() as pipe:
        await block(pipe, OUTBOUND_BYTES_MAX)
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                with pytest.raises(ClosedOutletError):
                    await pipe.wire.has_room()

            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            if end == "finish":
                pipe.wire.finish()
            else:
                pipe.peer.leave()
        with pytest.raises(ClosedOutletError):
            await pipe.wire.has_room()


async def test_a_peer_that_takes_nothing_lags_and_is_stuck_when_its_time_is_over(
    autojump_clock: MockClock,
) -> None:
    async with piped() as pipe:
        await block(pipe)
        assert pipe.wire.take(b"more")
        pipe.wire.answer(b"and more")
        await trio.sleep(OUTBOUND_WRITE_SECONDS * 4)
        assert pipe.told.log == ["lagging", "stuck"]
        for moment, due in zip(
            pipe.told.moments, (LAGGING_SECONDS, OUTBOUND_WRITE_SECONDS), strict=True
        ):
            assert due <= moment <= due + 2 * TICK_SECONDS
        assert autojump_clock.current_time() >= OUTBOUND_WRITE_SECONDS * 4


async def test_a_peer_that_takes_a_little_now_and_then_has_its_time_anew(
    autojump_clock: MockClock,
) -> None:
    async with piped() as pipe:
        await block(pipe, OUTBOUND_BYTES_MAX)
        for _ in range(6):
            await trio.sleep(LAGGING_SECONDS * 0.8)
            assert pipe.peer.read()
            await wait_all_tasks_blocked()
            assert pipe.wire.blocked
        assert pipe.told.log == []
        await trio.sleep(OUTBOUND_WRITE_SECONDS + 1)
        assert pipe.told.log == ["lagging", "stuck"]
        assert autojump_clock.current_time() > OUTBOUND_WRITE_SECONDS


async def test_who_reads_again_after_it_lagged_has_its_time_anew(autojump_clock: MockClock) -> None:
    async with piped() as pipe:
        data = await block(pipe)
        await trio.sleep(LAGGING_SECONDS + 1)
        assert await drained(pipe, len(data)) == data
        await trio.sleep(OUTBOUND_WRITE_SECONDS * 2)
        assert pipe.told.log == ["lagging"]
        await block(pipe)
        await trio.sleep(LAGGING_SECONDS / 2)
        assert pipe.told.log == ["lagging"]
        assert autojump_clock.current_time() > OUTBOUND_WRITE_SECONDS


async def test_the_end_is_told_when_everything_was_sent_and_nothing_more_is_taken() -> None:
    async with piped() as pipe:
        data = await block(pipe)
        pipe.wire.answer(b"bye")
        pipe.wire.finish()
        pipe.wire.finish()
        pipe.wire.answer(b"too late")
        assert pipe.wire.take(b"too late, and nobody is to be fed from the log for it")
        await wait_all_tasks_blocked()
        assert pipe.told.log == []
        assert await drained(pipe, len(data) + 3) == data + b"bye"
        assert pipe.told.log == ["sent all"]


async def test_the_end_of_an_idle_wire_is_told_at_the_end_of_the_pass() -> None:
    async with piped() as pipe:
        pipe.wire.finish()
        assert pipe.told.log == []
        pipe.outflow.flush()
        assert pipe.told.log == ["sent all"]


async def test_a_peer_that_has_gone_breaks_the_channel_and_everything_is_let_go() -> None:
    async with piped() as pipe:
        await block(pipe)
        pipe.peer.leave()
        assert pipe.wire.take(b"x" * OUTBOUND_BYTES_MAX) in {True, False}
        await wait_all_tasks_blocked()
        assert pipe.told.log == ["broken"]
        assert scheduled(pipe) == 0
        assert pipe.wire._waiting == []  # noqa: SLF001
        assert pipe.wire.take(b"nobody is there")
        pipe.wire.answer(b"nobody is there")
        pipe.wire.finish()
        pipe.wire.flush()
        pipe.outflow.flush()
        assert pipe.told.log == ["broken"]


async def test_a_write_to_a_peer_that_has_gone_ends_it_at_once() -> None:
    async with piped() as pipe:
        pipe.peer.leave()
        assert pipe.wire.take(b"x")
        assert pipe.told.log == ["broken"]
        assert pipe.wire.take(b"x")
        pipe.wire.answer(b"x")
        pipe.outflow.flush()
        assert pipe.told.log == ["broken"]
