"""What goes out at the end of a pass: rooms, then lines, and for how long."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.fanout import outflow as outflow_module
from gateway.fanout.outflow import HOLD_SECONDS_MAX, OUTFLOW_SECONDS_MAX, STEP_LINES, Outflow


class Clock:
    """Goes on when it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def pass_by(self) -> None:
        self.now += OUTFLOW_SECONDS_MAX * 1.01


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(outflow_module, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    return clock


class Line:
    """Something to write for one client."""

    def __init__(
        self, written: list[str], name: str, also: Callable[[], object] | None = None
    ) -> None:
        self._written = written
        self._name = name
        self._also = also

    def flush(self) -> None:
        self._written.append(self._name)
        if self._also is not None:
            self._also()


class Room:
    """Something to write for many, in steps."""

    def __init__(
        self, written: list[str], name: str, steps: int, also: Callable[[], object] | None = None
    ) -> None:
        self._written = written
        self._name = name
        self._steps = steps
        self._also = also
        self.waiting = False

    def waits(self) -> bool:
        return self.waiting

    def flush(self) -> Iterator[None]:
        for step in range(self._steps):
            self._written.append(f"{self._name}{step}")
            if self._also is not None:
                self._also()
            yield


async def test_rooms_go_before_lines_and_each_in_the_order_of_its_marks(clock: Clock) -> None:
    written: list[str] = []
    outflow = Outflow()
    outflow.mark_line(Line(written, "x"))
    outflow.mark_room(Room(written, "a", 2))
    outflow.mark_line(Line(written, "y"))
    outflow.mark_room(Room(written, "b", 1))
    assert not outflow.flush()
    assert written == ["a0", "a1", "b0", "x", "y"]
    assert not outflow.flush()
    assert len(written) == 5
    assert clock.now == 0


async def test_a_room_whose_time_is_over_goes_on_in_the_next_pass(clock: Clock) -> None:
    written: list[str] = []
    outflow = Outflow()
    outflow.mark_room(Room(written, "a", 3, clock.pass_by))
    outflow.mark_room(Room(written, "b", 1))
    outflow.mark_line(Line(written, "x"))
    passes = [outflow.flush() for _ in range(3)]
    assert (passes, written) == ([True] * 3, ["a0", "a1", "a2"])
    assert not outflow.flush()
    assert written == ["a0", "a1", "a2", "b0", "x"]


async def test_lines_whose_time_is_over_go_on_in_the_next_pass(clock: Clock) -> None:
    written: list[str] = []
    outflow = Outflow()
    for number in range(2 * STEP_LINES + 1):
        outflow.mark_line(Line(written, str(number), clock.pass_by))
    assert outflow.flush()
    assert len(written) == STEP_LINES
    assert outflow.flush()
    assert not outflow.flush()
    assert written == [str(number) for number in range(2 * STEP_LINES + 1)]


async def test_lines_that_just_fit_leave_nothing(clock: Clock) -> None:
    written: list[str] = []
    outflow = Outflow()
    for number in range(STEP_LINES):
        outflow.mark_line(Line(written, str(number), clock.pass_by))
    assert not outflow.flush()
    assert len(written) == STEP_LINES


@pytest.mark.usefixtures("clock")
async def test_what_is_marked_twice_is_written_twice() -> None:
    written: list[str] = []
    outflow, line = Outflow(), Line(written, "x")
    outflow.mark_line(line)
    outflow.mark_line(line)
    assert not outflow.flush()
    assert written == ["x", "x"]


@pytest.mark.usefixtures("clock")
async def test_what_is_marked_while_others_are_written_goes_out_in_the_same_flush() -> None:
    written: list[str] = []
    outflow = Outflow()
    late = Line(written, "late")
    outflow.mark_line(Line(written, "x", lambda: outflow.mark_line(late)))
    outflow.mark_room(Room(written, "a", 1, lambda: outflow.mark_room(Room(written, "b", 1))))
    assert not outflow.flush()
    assert written == ["a0", "b0", "x", "late"]


@pytest.mark.usefixtures("clock")
async def test_a_flush_from_inside_changes_nothing_and_says_that_some_is_left() -> None:
    written: list[str] = []
    inner: list[bool] = []
    outflow = Outflow()
    outflow.mark_line(Line(written, "x", lambda: inner.append(outflow.flush())))
    outflow.mark_line(Line(written, "y"))
    assert not outflow.flush()
    assert (written, inner) == (["x", "y"], [True])


@pytest.mark.usefixtures("clock")
async def test_a_failure_does_not_stop_what_follows_for_ever() -> None:
    written: list[str] = []
    outflow = Outflow()

    def fail() -> None:
        raise ValueError("a fault")

    outflow.mark_room(Room(written, "a", 2, fail))
    outflow.mark_line(Line(written, "x"))
    with pytest.raises(ValueError, match="a fault"):
        outflow.flush()
    assert not outflow.flush()
    assert written == ["a0", "x"]


@pytest.mark.usefixtures("clock")
async def test_what_nobody_flushes_goes_out_by_itself() -> None:
    written: list[str] = []
    outflow = Outflow()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outflow.run)
        for number in range(3):
            outflow.mark_line(Line(written, f"x{number}"))
            assert len(written) == number
            await wait_all_tasks_blocked()
            assert len(written) == number + 1
        outflow.mark_room(Room(written, "a", 1))
        await wait_all_tasks_blocked()
        assert written[-1] == "a0"
        nursery.cancel_scope.cancel()


async def test_what_was_left_goes_out_by_itself_and_others_run_in_between(clock: Clock) -> None:
    written: list[str] = []
    outflow = Outflow()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outflow.run)

        async def beside() -> None:
            while len(written) < 10:
                await trio.lowlevel.checkpoint()
                written.append("other")

        outflow.mark_room(Room(written, "a", 4, clock.pass_by))
        assert outflow.flush()
        nursery.start_soon(beside)
        await wait_all_tasks_blocked()
        rooms = [at for at, word in enumerate(written) if word != "other"]
        assert [written[at] for at in rooms] == ["a0", "a1", "a2", "a3"]
        assert rooms[3] - rooms[1] > 2
        nursery.cancel_scope.cancel()


async def test_a_room_that_waits_for_more_is_held_and_lines_are_not(clock: Clock) -> None:
    written: list[str] = []
    outflow, room = Outflow(), Room(written, "a", 1)
    room.waiting = True
    outflow.mark_room(room)
    outflow.mark_room(Room(written, "b", 1))
    outflow.mark_line(Line(written, "x"))
    assert not outflow.flush()
    assert written == ["b0", "x"]
    room.waiting = False
    assert not outflow.flush()
    assert not outflow.flush()
    assert written == ["b0", "x", "a0"]
    assert clock.now == 0


async def test_a_room_is_held_no_longer_than_a_commit_takes(autojump_clock: MockClock) -> None:
    written: list[str] = []
    moments: list[float] = []
    outflow = Outflow()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outflow.run)
        for name in ("a", "b"):
            before = trio.current_time()
            room = Room(written, name, 1, lambda: moments.append(trio.current_time()))
            room.waiting = True
            outflow.mark_room(room)
            outflow.flush()
            assert f"{name}0" not in written
            await trio.sleep(HOLD_SECONDS_MAX * 3)
            assert written[-1] == f"{name}0"
            assert moments[-1] - before == pytest.approx(HOLD_SECONDS_MAX)
        nursery.cancel_scope.cancel()
    assert autojump_clock.current_time() == pytest.approx(HOLD_SECONDS_MAX * 6)
