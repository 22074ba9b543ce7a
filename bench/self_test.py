"""Proves that the harness sees what it has to see, before anybody believes its figures.

A server is stopped for a moment. Everything that came due meanwhile has waited for it, and an open
loop must say so. A closed loop sends nothing while it waits for an answer, so it hides the stop.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.correctness import Counts, Posted, Received, count_kept
from bench.figures import Phase
from bench.histogram import Histogram
from bench.load.loops import Moment
from bench.messages import Kept, Key, text_of
from bench.peers.target import Target
from bench.scenario import Bench
from bench.scenarios.posting import Posting

STALL_SECONDS = 0.2
STALL_AT_SECONDS = 0.3
SECONDS = 0.8
RATE = 200.0


@dataclass(frozen=True)
class Finding:
    """One thing the harness was asked to see."""

    what: str
    seen: bool
    detail: str


def stall(pid: int) -> tuple[Moment, ...]:
    """Return the moments at which a process is stopped and, no sooner than promised, goes on."""
    stopped: list[float] = []

    def stop(_: float) -> None:
        os.kill(pid, signal.SIGSTOP)
        stopped.append(time.perf_counter())

    def go_on(_: float) -> None:
        time.sleep(max(0.0, stopped[-1] + STALL_SECONDS - time.perf_counter()))
        os.kill(pid, signal.SIGCONT)

    return (STALL_AT_SECONDS, stop), (STALL_AT_SECONDS + STALL_SECONDS, go_on)


def stalled(target: Target) -> tuple[Phase, Phase]:
    """Stall a server under an open and under a closed loop of one message; return both phases."""
    bench = Bench(target, seconds=SECONDS, quick=True, say=lambda _: None)
    with bench.serving() as running:
        posting = Posting(bench, running, connections=1, window=1)
        posting.closed("warm-up", 0.1)
        meanwhile = stall(running.pid)
        return (
            posting.open("open", RATE, SECONDS, meanwhile=meanwhile),
            posting.closed("closed", SECONDS, meanwhile=meanwhile),
        )


def waited(phase: Phase) -> int:
    """Return how many messages of a phase waited for half of the stall or longer."""
    assert phase.latency is not None, "nothing was measured"
    return Histogram.decoded(phase.latency.hdr).slower_than(STALL_SECONDS / 2)


def _findings_of_a_stall(target: Target) -> list[Finding]:
    opened, closed = stalled(target)
    assert opened.latency is not None
    assert closed.latency is not None
    due = round(RATE * STALL_SECONDS / 2)
    stall_ms = STALL_SECONDS * 1000
    return [
        Finding(
            "an open loop charges a stall to every message that came due in it",
            waited(opened) >= due - 1 and opened.latency.max_ms >= stall_ms * 0.95,
            f"{waited(opened)} of {due} waited {stall_ms / 2:g} ms or longer; "
            f"p99 {opened.latency.p99_ms:g} ms, max {opened.latency.max_ms:g} ms",
        ),
        Finding(
            "a closed loop hides it",
            waited(closed) * 4 <= waited(opened),
            f"{waited(closed)} of {closed.operations} waited so long; "
            f"p99 {closed.latency.p99_ms:g} ms",
        ),
    ]


NAME = "conv_planted"
FIRST = 2


def _posted(count: int) -> Posted:
    posted = Posted(NAME)
    for number in range(count):
        posted.intended[Key(0, number)] = 0.0
        posted.acked(Key(0, number), FIRST + number)
    return posted


def kept(numbers: Sequence[int]) -> list[Kept]:
    """Return a conversation that holds these messages, in this order."""
    return [Kept(FIRST + at, text_of(NAME, Key(0, number))) for at, number in enumerate(numbers)]


def _findings_of_faults() -> list[Finding]:
    faults: dict[str, tuple[list[Kept], Callable[[Posted, list[Kept]], int]]] = {
        "lost": (kept([0, 1, 2]), lambda posted, have: _counts(posted, have).lost),
        "doubled": (kept([0, 1, 2, 3, 3]), lambda posted, have: _counts(posted, have).doubled),
        "disordered": (kept([0, 2, 1, 3]), lambda posted, have: _counts(posted, have).disordered),
    }
    findings = [
        Finding(f"a message that is kept {name} voids a run", found(_posted(4), have) > 0, "")
        for name, (have, found) in faults.items()
    ]
    for name, versions in {"lost": (3, 5), "doubled": (3, 3), "disordered": (3, 5, 4)}.items():
        received = Received(FIRST)
        for version in versions:
            received.take(version, Key(0, version))
        counts = received.counts(max(versions))
        seen = getattr(counts, name) > 0 and counts.void
        findings.append(Finding(f"a delivery that is {name} voids a run", seen, ""))
    return findings


def _counts(posted: Posted, have: list[Kept]) -> Counts:
    return count_kept(posted, have, first_version=FIRST)


def findings(target: Target) -> list[Finding]:
    """Plant every fault and return what was seen of it."""
    return [*_findings_of_faults(), *_findings_of_a_stall(target)]
