"""What a scenario is, and what it is given to run with."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Phase
from bench.machine import folder_on_disk
from bench.peers.target import Running, Target

PATIENCE_SECONDS = 30.0
"""How long a load waits for its last answers before they count as missing."""

WARM_UP_SECONDS = 1.0
"""Of closed-loop load on conversations of its own, before anything is measured."""


@dataclass(frozen=True)
class Bench:
    """The circumstances of a run."""

    target: Target
    seconds: float
    """How long each load lasts."""
    quick: bool
    """A smoke run: less of everything, and figures that mean nothing."""
    say: Callable[[str], None]
    """Says how far it is."""

    @property
    def warm_up_s(self) -> float:
        return min(WARM_UP_SECONDS, self.seconds)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend a folder on a real disk."""
        with TemporaryDirectory(prefix="parley-bench-", dir=folder_on_disk()) as folder:
            yield Path(folder)

    @contextmanager
    def serving(self) -> Iterator[Running]:
        """Serve a fresh data folder."""
        with self.folder() as folder, self.target.conversing(folder) as running:
            yield running

    def of(self, usual: Sequence[float], quick: Sequence[float]) -> Sequence[float]:
        """Return ``usual``, or ``quick`` in a smoke run."""
        return quick if self.quick else usual

    def told(self, phase: Phase) -> Phase:
        """Say what a phase came to, and return it."""
        where = f"{phase.group}, " if phase.group else ""
        latency = phase.latency
        times = f", p50 {latency.p50_ms:g} ms, p99 {latency.p99_ms:g} ms" if latency else ""
        late = "" if phase.keeps_up else " (late)"
        void = " VOID" if phase.void else ""
        self.say(f"{where}{phase.label}: {phase.per_s:,.0f}/s{times}{late}{void}")
        return phase


def climbed(rates: Sequence[float], measure: Callable[[float], Phase]) -> list[Phase]:
    """Measure rate after rate, up to the first that is not kept up with."""
    phases: list[Phase] = []
    for rate in rates:
        phases.append(measure(rate))
        if not phases[-1].keeps_up:
            break
    return phases


@dataclass(frozen=True)
class Scenario:
    """One thing that is measured. ``run`` returns the phases and the settings they ran with."""

    name: str
    title: str
    about: str
    unit: str
    latency_of: str
    run: Callable[[Bench], tuple[list[Phase], dict[str, float | str]]]
