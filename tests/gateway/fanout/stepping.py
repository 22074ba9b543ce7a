"""An outflow whose clock the test holds, and rooms that write to one member a step."""

from types import SimpleNamespace

import pytest

from gateway.fanout import outflow as outflow_module
from gateway.fanout import rooms as rooms_module
from gateway.fanout.outflow import OUTFLOW_SECONDS_MAX


class Steps:
    """A clock by which the outflow stops at its first look, or never."""

    def __init__(self) -> None:
        self.now = 0.0
        self.one = False

    def perf_counter(self) -> float:
        self.now += 2 * OUTFLOW_SECONDS_MAX if self.one else 0
        return self.now


def held(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Let a room write to one member a step, and the outflow look at the clock that is returned."""
    clock = Steps()
    monkeypatch.setattr(outflow_module, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    monkeypatch.setattr(rooms_module, "STEP_MEMBERS", 1)
    return clock
