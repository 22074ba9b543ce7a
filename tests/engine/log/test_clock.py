"""The environment's clock."""

from hypothesis import given
from hypothesis import strategies as st

from engine.clock.clock import EnvironmentClock

DAY_MS = 86_400_000


class Wall:
    """A machine's clock that a test moves."""

    def __init__(self, time_ms: int) -> None:
        self.time_ms = time_ms

    def __call__(self) -> int:
        return self.time_ms


def test_the_clock_follows_the_wall() -> None:
    wall = Wall(5 * DAY_MS)
    clock = EnvironmentClock(wall)
    assert clock.now_ms() == 5 * DAY_MS
    wall.time_ms += 7
    assert clock.now_ms() == 5 * DAY_MS + 7


def test_the_clock_stands_still_while_the_wall_is_behind() -> None:
    wall = Wall(5 * DAY_MS)
    clock = EnvironmentClock(wall)
    clock.now_ms()
    wall.time_ms -= DAY_MS
    assert clock.now_ms() == 5 * DAY_MS
    wall.time_ms += 3 * DAY_MS
    assert clock.now_ms() == 7 * DAY_MS
    wall.time_ms -= DAY_MS
    assert clock.now_ms() == 7 * DAY_MS


def test_the_clock_goes_on_from_the_newest_record() -> None:
    clock = EnvironmentClock(Wall(DAY_MS))
    clock.advance_to(9 * DAY_MS)
    clock.advance_to(3 * DAY_MS)
    assert clock.now_ms() == 9 * DAY_MS


@given(st.lists(st.integers(-DAY_MS, DAY_MS)))
def test_the_clock_never_runs_backwards(jumps: list[int]) -> None:
    wall = Wall(9_000 * DAY_MS)
    clock = EnvironmentClock(wall)
    times = []
    for jump in jumps:
        wall.time_ms += jump
        times.append(clock.now_ms())
        assert times[-1] >= wall.time_ms
    assert times == sorted(times)
