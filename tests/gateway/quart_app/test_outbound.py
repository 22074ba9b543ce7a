"""What waits for one client of a server that sends by tasks: bounded, and in order."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.fanout.outlet import ClosedOutletError
from gateway.limits import (
    OUTBOUND_ANSWER_BYTES_MAX,
    OUTBOUND_BYTES_MAX,
    OUTBOUND_WRITE_SECONDS,
)
from gateway.quart_app.outbound import ClientTooSlowError, Outbound


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
    outbound = Outbound()
    assert outbound.take(b"12", (b"1", b"2"))
    outbound.answer(b"3")
    assert outbound.offer(b"4")
    assert await outbound.take_all() == [b"1", b"2", b"3", b"4"]


async def test_what_came_in_one_piece_leaves_in_one() -> None:
    outbound = Outbound()
    assert outbound.take(b"12", ())
    assert await outbound.take_all() == [b"12"]


async def test_a_live_frame_beyond_the_bound_is_refused() -> None:
    outbound = Outbound()
    assert outbound.offer(b"x" * OUTBOUND_BYTES_MAX)
    assert not outbound.offer(b"y")
    assert await outbound.take_all() == [b"x" * OUTBOUND_BYTES_MAX]
    assert outbound.offer(b"y")


async def test_of_several_frames_either_all_are_taken_or_none() -> None:
    outbound = Outbound()
    assert outbound.offer(b"x")
    half = b"y" * (OUTBOUND_BYTES_MAX // 2)
    assert not outbound.take(half + half, (half, half))
    assert await outbound.take_all() == [b"x"]


async def test_one_frame_goes_out_however_large_it_is() -> None:
    outbound = Outbound()
    large = b"x" * (OUTBOUND_BYTES_MAX + 1)
    assert outbound.offer(large)
    assert await outbound.take_all() == [large]


async def test_answers_have_room_where_live_frames_have_none() -> None:
    outbound = Outbound()
    assert outbound.offer(b"x" * OUTBOUND_BYTES_MAX)
    outbound.answer(b"y" * OUTBOUND_ANSWER_BYTES_MAX)
    assert len(await outbound.take_all() or []) == 2


async def test_a_client_that_reads_no_answers_is_cut_off() -> None:
    outbound = Outbound()
    outbound.answer(b"y" * (OUTBOUND_BYTES_MAX + OUTBOUND_ANSWER_BYTES_MAX))
    outbound.answer(b"z")
    with pytest.raises(ClientTooSlowError):
        await outbound.take_all()


async def test_what_waits_is_sent_before_the_end() -> None:
    outbound, client = Outbound(), Client()
    client.reading.set()
    outbound.answer(b"bye")
    outbound.finish()
    outbound.answer(b"too late")
    assert outbound.offer(b"too late, and nobody is to be fed from the log for it")
    await outbound.pour(client.send)
    assert client.batches == [[b"bye"]]
    assert await outbound.take_all() is None


async def test_a_client_that_has_gone_is_given_nothing_more() -> None:
    outbound = Outbound()
    outbound.answer(b"bye")
    outbound.shut()
    assert await outbound.take_all() is None


async def test_a_failure_ends_it_behind_what_waits() -> None:
    outbound = Outbound()
    outbound.answer(b"1")
    outbound.fail()
    assert [await outbound.take_all() for _ in range(2)] == [[b"1"], None]


async def test_nothing_comes_by_itself(autojump_clock: MockClock) -> None:
    outbound = Outbound()
    with trio.move_on_after(100 * OUTBOUND_WRITE_SECONDS) as waiting:
        await outbound.take_all()
    assert waiting.cancelled_caught
    assert autojump_clock.current_time() == pytest.approx(100 * OUTBOUND_WRITE_SECONDS)


async def test_a_frame_that_comes_ends_the_wait_at_once(autojump_clock: MockClock) -> None:
    outbound, client = Outbound(), Client()
    client.reading.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbound.pour, client.send)
        await wait_all_tasks_blocked()
        outbound.silent = True
        outbound.offer(b"1")
        assert [outbound.silent] == [False]
        await wait_all_tasks_blocked()
        assert client.frames == [b"1"]
        outbound.finish()
    assert autojump_clock.current_time() == 0


async def test_a_write_that_hangs_is_given_up(autojump_clock: MockClock) -> None:
    outbound, client = Outbound(), Client()
    outbound.offer(b"1")
    with pytest.raises(ClientTooSlowError):
        await outbound.pour(client.send)
    assert autojump_clock.current_time() == pytest.approx(OUTBOUND_WRITE_SECONDS)


async def test_there_is_room_again_when_most_of_what_waits_was_taken() -> None:
    outbound, roomy = Outbound(), list[str]()
    assert outbound.offer(b"x" * (OUTBOUND_BYTES_MAX // 2))
    await outbound.has_room()
    assert outbound.offer(b"y")

    async def wait(name: str) -> None:
        await outbound.has_room()
        roomy.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, "has room")
        await wait_all_tasks_blocked()
        assert roomy == []
        await outbound.take_all()
    assert roomy == ["has room"]


async def test_who_waits_for_room_is_told_of_the_end() -> None:
    for end in (Outbound.finish, Outbound.fail, Outbound.shut):
        outbound = Outbound()
        outbound.answer(b"x" * OUTBOUND_BYTES_MAX)
        async with trio.open_nursery() as nursery:

            async def wait(outbound: Outbound = outbound) -> None:
                with pytest.raises(ClosedOutletError):
                    await outbound.has_room()

            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            end(outbound)
        with pytest.raises(ClosedOutletError):
            await outbound.has_room()
