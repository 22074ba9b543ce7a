"""The report says what was found, with what it was measured, and nothing of what went wrong."""

from pathlib import Path
from typing import Any

import pytest

from bench.court import plots, report
from bench.court.record import Cell
from bench.court.targets import TRIALS
from bench.court.trial import BOTH_CORES, FULL, HALF, Claim, Figure, Party, Trial
from tests.bench.court.recorded import OFF, OTHERS, OURS, THEIRS, cell, record

GOLDEN = Path(__file__).with_name("report.md")
RATE = "deliveries_per_s"
TRIAL = Trial(
    name="planted",
    title="Fan-out to 100, 16 under way",
    state="one room of 100 members, 16 messages under way",
    scenario="fanout",
    settings={"members": 100, "window": 16},
    parties=(Party(OURS), Party(OFF), Party(THEIRS), Party(OTHERS)),
    claims=(
        Claim("Parley against socket.io", Figure(RATE, OURS), 2, 4, over=Figure(RATE, THEIRS)),
        Claim("Parley against nats-server", Figure(RATE, OURS), 1, over=Figure(RATE, OTHERS)),
        Claim("without its store", Figure(RATE, OFF), 9, 10, over=Figure(RATE, THEIRS)),
        Claim("memory", Figure("kib", OURS), 3, 2, at_most=True, unit="KiB"),
    ),
    paces=(FULL, HALF),
)

OUR_FIGURES: dict[str, Any] = {
    "server_cpu_share": 0.99,
    "generator_cpu_share": 0.3,
    "server_cpu_us_per_delivery": 3.2,
    "frame_bytes_in": 411.4,
    "latency_us__p50": 1200.0,
    "latency_us__p99": 4000.0,
    "fsync_us__p50": 240.0,
    "commit_us__p50": 310.0,
}
THEIR_FIGURES: dict[str, Any] = {
    "server_cpu_us_per_delivery": 9.7,
    "frame_bytes_in": 209.6,
    "latency_us__p50": 1200.0,
}
HALF_FIGURES: dict[str, Any] = {"latency_us__p50": 600.0, "latency_us__p99": 2000.0}


def cells() -> list[Cell]:
    """Return what three repetitions came to: one of storage off has lost something."""
    found: list[Cell] = []
    for at, noise in enumerate((0, -5000, 10_000), start=1):
        found.append(cell(OURS, 300_000 + noise, repetition=at, kib=2.5, **OUR_FIGURES))
        found.append(cell(OFF, 900_000, repetition=at, lost=at == 2, generator_cpu_share=0.95))
        found.append(cell(THEIRS, 100_000, repetition=at, **THEIR_FIGURES))
        found.append(cell(OURS, repetition=at, pace="half", **HALF_FIGURES))
    found.append(cell(OURS, 310_000, pace=BOTH_CORES.name))
    return found


def page() -> str:
    held = record(*cells(), missing={OTHERS: "pip install failed with status 1"})
    return report.markdown([(TRIAL, held)], [("Beside its peers", "peers.svg")])


def test_the_report_is_as_it_was() -> None:
    assert page() == GOLDEN.read_text(encoding="utf-8")


def test_a_void_cell_is_named_and_its_figures_are_in_no_row() -> None:
    held = record(cell(OURS, 123_456, lost=1), repetitions=1)
    for told in (report.markdown([(TRIAL, held)], []), report.text([(TRIAL, held)])):
        assert "VOID" in told
        assert "123,456" not in told


def test_a_range_of_one_repetition_is_none() -> None:
    held = record(cell(OURS, 200), cell(THEIRS, 100), repetitions=1)
    assert report.verdict_rows([(TRIAL, held)])[1][1:3] == ["2.00x", report.DASH]


@pytest.mark.parametrize(("share", "shown"), [(0.95, "95 % !"), (0.9, "90 %")])
def test_a_busy_generator_is_marked(share: float, shown: str) -> None:
    held = record(cell(OURS, generator_cpu_share=share), repetitions=1)
    rows = report.table(TRIAL, held)
    assert rows[1][rows[0].index("generator CPU")] == shown


def test_a_terminal_gets_every_verdict_and_how_many_there_are() -> None:
    told = report.text([(TRIAL, record(*cells()))])
    assert told.count("≥") + told.count("≤") == 7
    assert told.endswith("4 targets: 2 floor, 1 VOID, 1 not measured.")


def test_what_is_drawn_are_the_medians_of_those_who_were_there() -> None:
    held = record(*cells())
    assert [name for name, _ in plots.rates(TRIAL, held)] == [THEIRS, OURS, OFF]
    assert plots.latencies(TRIAL, held) == [(OURS, 0.6, 2.0)]
    assert plots.rates(TRIAL, record()) == []


def test_every_trial_can_be_reported_even_if_nothing_was_measured() -> None:
    for trial in TRIALS.values():
        told = report.markdown([(trial, record())], [])
        assert told.count("not measured") == len(trial.claims) + 1
