"""Phases and results with figures that are easy to follow."""

from bench.correctness import Counts
from bench.figures import Load, Phase, Result
from bench.histogram import Histogram
from bench.machine import Machine, Sync


def phase(
    *,
    group: str = "",
    per_s: float | None = 100.0,
    counts: Counts | None = None,
    late: bool = False,
) -> Phase:
    """Return a phase of a hundred messages that took 1 to 100 ms."""
    found, counts = Histogram(), counts or Counts(sent=100, acked=100)
    for ms in range(1, 101):
        found.record(ms / 1000)
    load = Load("open", per_s=per_s) if per_s is not None else Load("closed", window=4)
    return Phase(
        group=group,
        label=load.label,
        load=load,
        seconds=1.0,
        operations=100,
        per_s=per_s or 400.0,
        latency=found.latency(),
        late_ms_p99=0.1,
        server_cpu_us=250.0,
        generator_cpu_share=0.2,
        sync=Sync(240, 900),
        counts=counts,
        void=counts.void,
        keeps_up=not counts.void and not late,
    )


def result(*phases: Phase, scenario: str = "send_ok") -> Result:
    """Return the result of these phases."""
    return Result(
        scenario=scenario,
        title="Send to ok",
        about="What it is about.",
        target="parley",
        unit="messages",
        latency_of="from here to there",
        date="2026-01-18T12:00:00Z",
        command="python -m bench send_ok",
        machine=Machine(2, "x86_64", "3.11.7", "Linux 6.1", "ext4", 0.1),
        settings={"connections": 16},
        void=any(one.void for one in phases),
        phases=list(phases),
    )
