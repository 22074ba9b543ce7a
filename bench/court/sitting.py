"""The court sits: trial by trial, and in each the parties in turn, again and again."""

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx2

from bench import machine
from bench.court.commits import commit_figures
from bench.court.record import Cell, Record, flattened
from bench.court.trial import BOTH_CORES, FULL, Pace, Party, Setting, Trial
from bench.court.verdicts import OURS
from bench.load import compiled
from bench.machine import pinned
from bench.peers.homes import MissingError
from bench.peers.peer import Peer, Serving
from bench.peers.process import NotReadyError
from bench.peers.table import PEERS

HOST = "127.0.0.1"
RUN_SECONDS_MAX = 120.0
"""No cell takes longer, unless the generator hangs."""

METRICS_SECONDS = 10.0
MESSAGES = "messages_per_s"


@dataclass(frozen=True)
class Bounds:
    """How long and how often everything is measured."""

    repetitions: int
    seconds: float
    warm_up_s: float
    quick: bool = False
    """A smoke run: only who is named by a claim, once, and less of everything."""


@dataclass
class Court:
    """Measures trials on this machine."""

    bounds: Bounds
    say: Callable[[str], None]
    server: frozenset[int] = field(init=False)
    generator: frozenset[int] = field(init=False)
    _had: dict[str, dict[str, str] | str] = field(default_factory=dict)
    """Peer → its versions, or why it is missing."""

    def __post_init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self.server, self.generator = (frozenset({core}) for core in (cores[0], cores[-1]))
        machine.allow_open_files()

    @property
    def pinned(self) -> str:
        """Say who has which core."""
        if self.server == self.generator:
            return "server and generator shared the only core"
        return "server on one core, generator on another"

    def hold(self, trial: Trial, command: str) -> Record:
        """Measure every party of a trial at every pace; ``command`` is how it was asked for."""
        began = datetime.now(UTC)
        record = Record(
            trial=trial.name,
            date=began.strftime("%Y-%m-%dT%H:%M:%SZ"),
            command=command,
            machine=machine.facts(machine.folder_on_disk()),
            pinned=self.pinned,
            repetitions=self._repetitions(trial),
            seconds=self.bounds.seconds,
            warm_up_s=self.bounds.warm_up_s,
            versions={},
            missing={},
            cells=[],
        )
        parties = [party for party in self._called(trial) if self._appears(party, record)]
        for pace in self._paces(trial):
            for repetition in range(1, record.repetitions + 1):
                for party in parties:
                    self._measure(trial, party, pace, repetition, record)
        if trial.both_cores and not self.bounds.quick:
            for party in parties:
                if party.peer == OURS:
                    self._measure(trial, party, BOTH_CORES, 1, record)
        return record

    def _repetitions(self, trial: Trial) -> int:
        asked_for = self.bounds.repetitions
        return min(asked_for, trial.repetitions_max or asked_for)

    def _called(self, trial: Trial) -> Sequence[Party]:
        if not self.bounds.quick:
            return trial.parties
        named = {figure.party for claim in trial.claims for figure in claim.figures}
        return [party for party in trial.parties if party.name in named]

    def _paces(self, trial: Trial) -> Sequence[Pace]:
        if not self.bounds.quick:
            return trial.paces
        named = {figure.pace for claim in trial.claims for figure in claim.figures}
        return [pace for pace in trial.paces if pace is FULL or pace in named]

    def _appears(self, party: Party, record: Record) -> bool:
        """Note what a party is made of, or why it is missing; say whether it is there."""
        if party.peer not in self._had:
            try:
                self._had[party.peer] = dict(PEERS[party.peer].install())
            except MissingError as error:
                self._had[party.peer] = str(error)
        had = self._had[party.peer]
        if isinstance(had, str):
            self.say(f"{party.name} is missing: {had}")
            record.missing[party.name] = had
            return False
        record.versions[party.name] = had
        return True

    def _measure(
        self, trial: Trial, party: Party, pace: Pace, repetition: int, record: Record
    ) -> None:
        if pace.share is None and party.paced_by:
            return
        rate = paced(record, party, pace)
        if pace.share is not None and rate is None:
            self.say(f"{trial.name}, {party.name}: no rate to take a share of")
            return
        scenario, settings = asked(trial, party, self.bounds, rate)
        load_average = round(os.getloadavg()[0], 2)
        figures, failure = self._run(scenario, party, settings, both_cores=pace.both_cores)
        cell = Cell(
            party=party.name,
            pace=pace.name,
            repetition=repetition,
            settings={"scenario": scenario, **settings},
            load_average=load_average,
            figures=figures,
            failure=failure,
        )
        record.cells.append(cell)
        self.say(told(trial, cell))

    def _run(
        self, scenario: str, party: Party, settings: dict[str, Setting], *, both_cores: bool
    ) -> tuple[dict[str, float], str]:
        """Measure once on a fresh server: its figures, or why there are none."""
        peer = PEERS[party.peer]
        cores = self.server | self.generator if both_cores else self.server
        try:
            with (
                TemporaryDirectory(prefix="parley-court-", dir=machine.folder_on_disk()) as name,
                peer.serving(Path(name), cores) as serving,
            ):
                return self._figures(scenario, peer, serving, settings, Path(name))
        except (compiled.GeneratorError, NotReadyError, httpx2.HTTPError) as error:
            self.say(str(error))
            return {}, f"{type(error).__name__}: {str(error).splitlines()[0]}"
        except subprocess.TimeoutExpired:
            return {}, "the server did not stop when it was told to"

    def _figures(
        self,
        scenario: str,
        peer: Peer,
        serving: Serving,
        settings: dict[str, Setting],
        folder: Path,
    ) -> tuple[dict[str, float], str]:
        fsync = machine.sync_time(folder)
        where: dict[str, Setting] = {"host": HOST, "port": serving.port, "pid": serving.pid}
        where |= {"key": serving.key} if serving.key else {}
        with pinned(self.generator):
            said = compiled.run(scenario, {**where, **settings}, seconds_max=RUN_SECONDS_MAX)
        figures = flattened(said)
        if peer.durable:
            figures |= {"fsync_us.p50": fsync.p50_us, "fsync_us.p99": fsync.p99_us}
            figures |= commit_figures(_metrics(serving))
        return figures, str(said.get("first_error") or "")


def paced(record: Record, party: Party, pace: Pace) -> float | None:
    """Return the messages a second of a pace: a share of what was reached; ``None`` of nothing."""
    if pace.share is None:
        return None
    full = record.of(party.paced_by or party.name, FULL.name)
    reached = [cell.figures[MESSAGES] for cell in full if not cell.void]
    return round(median(reached) * pace.share, 1) or None if reached else None


def asked(
    trial: Trial, party: Party, bounds: Bounds, rate: float | None
) -> tuple[str, dict[str, Setting]]:
    """Return the generator's scenario, and its settings but for where the server is."""
    settings: dict[str, Setting] = {
        "dialect": party.dialect or PEERS[party.peer].dialect,
        "warmup": bounds.warm_up_s,
        "secs": bounds.seconds,
        **trial.settings,
        **(trial.paced_settings if rate is not None else {}),
        **party.settings,
        **(trial.quick if bounds.quick else {}),
    }
    if rate is None:
        return trial.scenario, settings
    settings.pop("window", None)
    scenario = party.paced_scenario or trial.paced_scenario or trial.scenario
    return scenario, settings | {"rate": rate}


def told(trial: Trial, cell: Cell) -> str:
    """Return a line about a cell."""
    head = f"{trial.name}  {cell.party}  {cell.pace} {cell.repetition}: "
    if cell.void:
        return f"{head}VOID, {cell.fault}"
    parts = [f"{trial.rate} {cell.figures.get(trial.rate, 0):,.0f}"]
    parts.append(f"{trial.cost} {cell.figures.get(trial.cost, 0):.2f}")
    parts.append(f"p99 {cell.figures.get('latency_us.p99', 0) / 1000:.1f} ms")
    return head + ", ".join(parts)


def _metrics(serving: Serving) -> str:
    url = f"http://{HOST}:{serving.port}/metrics"
    headers = {"Authorization": f"Bearer {serving.operator_key}"}
    return httpx2.get(url, headers=headers, timeout=METRICS_SECONDS).raise_for_status().text
