"""When a key ends: the record says it in Unix seconds, deadlines are kept on trio's clock."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import trio
from trio.testing import MockClock

from engine.principal import Principal
from gateway.fanout import expiry
from gateway.fanout.expiry import end_of
from gateway.wheel import TICK_SECONDS, Wheel

WALL_S = 1_700_000_000.25
"""What the clock on the wall shows, in Unix seconds."""

STAYS = Principal("ws_1", "live", "key_1", "key_1", frozenset(), staff=True)


def until(expires_s: int) -> Principal:
    return replace(STAYS, expires_s=expires_s)


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the clock on the wall: only trio's goes on."""
    monkeypatch.setattr(expiry, "time", SimpleNamespace(time=lambda: WALL_S))


async def test_a_key_without_an_end_has_none(mock_clock: MockClock) -> None:
    assert end_of(STAYS) == float("inf")
    mock_clock.jump(1e9)
    assert end_of(STAYS) == float("inf")


@pytest.mark.parametrize("passed_seconds", [0.0, 40.5])
async def test_what_is_left_of_a_key_lies_ahead_on_trios_clock(
    mock_clock: MockClock, passed_seconds: float
) -> None:
    mock_clock.jump(passed_seconds)
    assert end_of(until(1_700_000_060)) == trio.current_time() + 59.75
    assert end_of(until(1_700_000_001)) == trio.current_time() + 0.75


@pytest.mark.parametrize("expires_s", [0, 1_699_999_000, 1_700_000_000])
async def test_a_key_that_has_ended_ends_now_and_not_before(
    mock_clock: MockClock, expires_s: int
) -> None:
    mock_clock.jump(40.5)
    assert end_of(until(expires_s)) == trio.current_time()


async def test_a_deadline_of_it_rings_when_the_key_ends(autojump_clock: MockClock) -> None:
    wheel, rang = Wheel(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wheel.run)
        wheel.at(end_of(until(1_700_000_060)), rang.set)
        await rang.wait()
        nursery.cancel_scope.cancel()
    assert 59.75 <= autojump_clock.current_time() <= 59.75 + TICK_SECONDS
