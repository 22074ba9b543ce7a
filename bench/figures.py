"""The one shape of every figure: a result is a scenario's phases, a phase is one load's outcome.

Reports, plots and later comparisons of servers read nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.correctness import Counts
from bench.histogram import Latency
from bench.machine import Machine, Sync

LAG_SECONDS_MAX = 0.25
LAG_SHARE_MAX = 0.125
"""Between the last intended send and the last answer: so long, or so much of the load's length, or
the time between two sends, whichever is longest. Beyond it the queue was growing."""

BOUND_SHARE = 0.9
"""Of one core: a generator busier than this may have been what was measured."""


@dataclass(frozen=True)
class Load:
    """What was offered."""

    loop: Literal["open", "closed"]
    per_s: float | None = None
    """Arrivals a second, of an open loop."""
    window: int | None = None
    """How many were kept under way, of a closed loop."""

    @property
    def label(self) -> str:
        if self.per_s is not None:
            return f"{self.per_s:g}/s"
        return f"closed, {self.window}"


@dataclass(frozen=True)
class Phase:
    """One load, and what came of it."""

    group: str
    """Phases of one group are alike but for their load: ``100 members``."""
    label: str
    load: Load
    seconds: float
    """From the first intended send to the last answer, or to the end of the schedule."""
    operations: int
    per_s: float
    """Operations a second, in the unit of the scenario."""
    latency: Latency | None
    late_ms_p99: float | None
    """How late the generator itself sent, in an open loop; latencies hold it."""
    server_cpu_us: float | None
    """Processor time of the server, an operation."""
    generator_cpu_share: float | None
    """Of one core."""
    sync: Sync
    counts: Counts
    void: bool
    keeps_up: bool
    """Whether it answered as fast as it was asked."""
    more: dict[str, float] = field(default_factory=dict)
    """What only this scenario measures: name with its unit → figure."""

    @property
    def generator_bound(self) -> bool:
        """Whether the generator may have been the slower one."""
        return (self.generator_cpu_share or 0.0) > BOUND_SHARE


@dataclass(frozen=True)
class Result:
    """A scenario's outcome, as it is kept."""

    scenario: str
    title: str
    about: str
    target: str
    unit: str
    """What is counted: ``messages``, ``deliveries``."""
    latency_of: str
    """From what to what a latency counts."""
    date: str
    command: str
    machine: Machine
    settings: dict[str, float | str]
    void: bool
    phases: list[Phase]

    def groups(self) -> dict[str, list[Phase]]:
        """Return the phases by group, in their order."""
        return by_group(self.phases)


def by_group(phases: Sequence[Phase]) -> dict[str, list[Phase]]:
    """Return the phases of each group, in their order."""
    found: dict[str, list[Phase]] = {}
    for phase in phases:
        found.setdefault(phase.group, []).append(phase)
    return found


def sustained(phases: Sequence[Phase]) -> Phase | None:
    """Return the open-loop phase of the highest rate that was kept up with."""
    kept_up = [phase for phase in phases if phase.load.loop == "open" and phase.keeps_up]
    return max(kept_up, key=lambda phase: phase.load.per_s or 0.0, default=None)


def at_half(phases: Sequence[Phase]) -> Phase | None:
    """Return the open-loop phase of the highest rate up to half of the sustained one."""
    best = sustained(phases)
    if best is None:
        return None
    half = (best.load.per_s or 0.0) / 2
    return sustained([phase for phase in phases if (phase.load.per_s or 0.0) <= half])


def fastest(phases: Sequence[Phase]) -> Phase | None:
    """Return the phase with the most operations a second that is not void."""
    valid = [phase for phase in phases if not phase.void]
    return max(valid, key=lambda phase: phase.per_s, default=None)
