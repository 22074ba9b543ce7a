"""The court asks the generator for what the table says, and lets nobody be missed in silence."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bench.court.sitting import Bounds, Court, asked, paced, told
from bench.court.targets import TRIALS
from bench.court.trial import FULL, HALF, Claim, Figure, Party, Trial
from bench.court.verdicts import Outcome, judged
from bench.machine import Cores
from bench.peers.homes import MissingError
from bench.peers.parley import Parley
from bench.peers.peer import Serving
from bench.peers.table import PEERS
from tests.bench.court.recorded import OURS, THEIRS, cell, record

BOUNDS = Bounds(repetitions=1, seconds=1.5, warm_up_s=0.5)
AGAIN = "Parley, again"
TRIAL = Trial(
    name="planted",
    title="Fan-out to 4",
    state="one room of 4 members, 2 messages under way",
    scenario="fanout",
    settings={"rooms": 1, "members": 4, "window": 2},
    parties=(Party(OURS), Party(OURS, label=AGAIN, paced_by=OURS), Party(THEIRS)),
    claims=(
        Claim(
            "in no time",
            Figure("latency_us.p99", OURS, HALF),
            floor=1e9,
            over=Figure("fsync_us.p50", OURS, HALF),
            at_most=True,
        ),
        Claim(
            "against them",
            Figure("deliveries_per_s", OURS),
            floor=1,
            over=Figure("deliveries_per_s", THEIRS),
        ),
    ),
    paces=(FULL, HALF),
)


@dataclass(frozen=True)
class Nowhere:
    """A peer that cannot be had."""

    name: str = THEIRS
    dialect: str = "socketio"
    durable: bool = False

    def install(self) -> Mapping[str, str]:
        raise MissingError("npm ci failed with status 1")

    def serving(self, folder: Path, cores: Cores) -> AbstractContextManager[Serving]:
        raise AssertionError(folder, cores)


@dataclass(frozen=True)
class Watched(Parley):
    """Parley, and on which cores it was started."""

    cores: list[Cores] = field(default_factory=list)

    @contextmanager
    def serving(self, folder: Path, cores: Cores) -> Iterator[Serving]:
        self.cores.append(cores)
        with super().serving(folder, cores) as served:
            yield served


def named(trial: Trial, name: str) -> Party:
    return next(party for party in trial.parties if party.name == name)


def test_a_sitting_measures_parley_at_every_pace_and_says_who_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = Watched()
    monkeypatch.setitem(PEERS, OURS, ours)
    monkeypatch.setitem(PEERS, THEIRS, Nowhere())
    said: list[str] = []
    cores = os.sched_getaffinity(0)
    court = Court(Bounds(repetitions=1, seconds=0.2, warm_up_s=0.1), said.append)
    held = court.hold(TRIAL, "python -m bench court planted")
    assert held.missing == {THEIRS: "npm ci failed with status 1"}
    assert [(one.party, one.pace) for one in held.cells] == [
        (OURS, "full"),
        (OURS, "half"),
        (AGAIN, "half"),
        (OURS, "full, both cores"),
    ]
    assert [one.failure for one in held.cells if one.void] == []
    assert all(one.figures["fsync_us.p50"] > 0 for one in held.cells)
    assert all(one.figures["commit_us.p50"] > 0 for one in held.cells)
    assert held.cells[1].figures["rate"] == held.cells[1].settings["rate"]
    assert held.cells[2].settings["rate"] == held.cells[1].settings["rate"]
    assert [verdict.outcome for verdict in judged(TRIAL, held)] == [
        Outcome.FLOOR,
        Outcome.UNMEASURED,
    ]
    assert ours.cores == [court.server] * 3 + [court.server | court.generator]
    assert os.sched_getaffinity(0) == cores
    assert any("npm ci failed" in line for line in said)
    assert "sk_" not in str(held)
    assert str(Path.home()) not in str(held)


def test_a_server_that_falls_over_makes_a_void_cell_and_the_court_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PEERS, THEIRS, Nowhere())
    trial = replace(TRIAL, settings={"rooms": 1, "members": "four", "window": 2})
    court = Court(Bounds(repetitions=1, seconds=0.2, warm_up_s=0.1), lambda _: None)
    held = court.hold(trial, "python -m bench court planted")
    assert [(one.pace, one.void) for one in held.cells] == [
        ("full", True),
        ("full, both cores", True),
    ]
    assert "members=four" in held.cells[0].failure
    assert judged(trial, held)[1].outcome is Outcome.UNMEASURED


def test_a_trial_that_takes_long_is_not_repeated_more_than_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PEERS, THEIRS, Nowhere())
    often = Court(Bounds(repetitions=5, seconds=0.2, warm_up_s=0.1), lambda _: None)
    alone = replace(TRIAL, parties=(Party(THEIRS),), repetitions_max=2)
    assert often.hold(alone, "").repetitions == 2
    assert often.hold(replace(alone, repetitions_max=None), "").repetitions == 5
    assert often.hold(replace(alone, repetitions_max=9), "").repetitions == 5


def test_a_lower_pace_is_a_share_of_the_median_that_the_same_server_reached() -> None:
    cells = [
        cell(OURS, repetition=at, messages_per_s=rate)
        for at, rate in enumerate((100.0, 900.0, 300.0), start=1)
    ]
    found = record(*cells, cell(OURS, repetition=4, messages_per_s=9000.0, lost=1))
    assert paced(found, Party(OURS), HALF) == 150
    assert paced(found, Party(OURS), FULL) is None
    assert paced(found, Party("other"), HALF) is None
    assert paced(found, Party("other", paced_by=OURS), HALF) == 150


def test_a_rate_takes_the_place_of_a_window() -> None:
    trial = TRIALS["fan_out_100_w16"]
    assert asked(trial, Party(OURS), BOUNDS, None) == (
        "fanout",
        {"dialect": "parley", "warmup": 0.5, "secs": 1.5, "rooms": 1, "members": 100, "window": 16},
    )
    _, settings = asked(trial, Party(OURS), BOUNDS, 170.5)
    assert settings["rate"] == 170.5
    assert "window" not in settings


def test_a_party_may_speak_another_dialect_and_be_asked_for_more() -> None:
    sse = TRIALS["sse_100_w16"]
    _, settings = asked(sse, named(sse, "Parley over SSE"), BOUNDS, None)
    assert settings["dialect"] == "sse"
    slow = TRIALS["slow"]
    scenario, settings = asked(slow, named(slow, "Parley, 5 % never read"), BOUNDS, 10)
    assert (scenario, settings["slow"], settings["secs"]) == ("slow", 0.05, 12)
    scenario, settings = asked(slow, named(slow, "Parley"), BOUNDS, 10)
    assert (scenario, "slow" in settings, settings["secs"]) == ("fanout", False, 12)
    assert asked(slow, named(slow, "Parley"), BOUNDS, None)[1]["secs"] == 1.5


def test_a_smoke_run_asks_for_less() -> None:
    trial = TRIALS["idle_10000"]
    quick = Bounds(repetitions=1, seconds=0.4, warm_up_s=0.2, quick=True)
    assert asked(trial, Party(OURS), quick, None)[1]["conns"] == 1000
    assert asked(trial, Party(OURS), BOUNDS, None)[1]["conns"] == 10_000


def test_a_void_cell_is_said_to_be_void() -> None:
    trial = TRIALS["fan_out_100_w16"]
    assert "VOID, 3 lost" in told(trial, cell(OURS, lost=3))
    assert "VOID, it fell" in told(trial, cell(OURS, failure="it fell"))
    assert "deliveries_per_s 100" in told(trial, cell(OURS))
