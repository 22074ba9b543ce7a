"""What the court has found, as one page of Markdown, and its verdicts for a terminal. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from bench.court.record import Cell, Record
from bench.court.trial import BOTH_CORES, FULL, HALF, Claim, Figure, Pace, Trial
from bench.court.verdicts import Outcome, Spread, Verdict, fault, figure_of, judged

DASH = "–"  # noqa: RUF001 - the dash is meant
BOUND_SHARE = 0.9
"""Of one core: a generator busier than this may have been what was measured."""

Held = Sequence[tuple[Trial, Record]]


@dataclass(frozen=True)
class Unit:
    """How a figure of the generator is shown."""

    heading: str
    scale: float = 1.0
    digits: int = 0


UNITS = {
    "deliveries_per_s": Unit("deliveries/s"),
    "messages_per_s": Unit("messages/s"),
    "rss_per_conn_bytes": Unit("KiB a socket", 1 / 1024, 1),
    "connect_cpu_us_per_conn": Unit("ms CPU to connect", 1 / 1000, 3),
    "server_cpu_us_per_delivery": Unit("µs CPU a delivery", 1, 2),
    "server_cpu_us_per_message": Unit("µs CPU a message", 1, 1),
    "storm_seconds": Unit("s until all are live", 1, 2),
}
MS = Unit("ms", 1 / 1000, 2)
US = Unit("µs")

PREFACE = """# Parley beside its peers

Written by `make bench`; [docs/benchmarks.md](../../../docs/benchmarks.md) says how to read it. In
each trial every server was started afresh and measured in turn, again and again, on one machine, by
one generator. Parley authenticates, checks and seals every message, and it is on disk before it is
answered, unless a line says *storage off*. The others do nothing of that. How many messages were
under way stands beside each figure: without that it says nothing.
"""


def number(value: float | None, digits: int = 0) -> str:
    """Return a figure as people read it; a dash where nothing was measured."""
    return DASH if value is None else f"{value:,.{digits}f}"


def of(found: Spread | None, scale: float = 1.0, digits: int = 0) -> str:
    """Return the median."""
    return number(None if found is None else found.median * scale, digits)


def span(found: Spread | None, scale: float = 1.0, digits: int = 0) -> str:
    """Return the range; a dash if there was one repetition."""
    if found is None or found.count == 1:
        return number(None)
    return f"{number(found.least * scale, digits)} to {number(found.most * scale, digits)}"


def bound(claim: Claim, value: float | None) -> str:
    """Return a floor or a goal."""
    if value is None:
        return DASH
    return f"{'≤' if claim.at_most else '≥'} {value:g} {claim.unit}".replace(" x", "x")


VERDICTS = ("what", "measured", "range", "floor", "goal", "verdict")


def verdict_rows(held: Held) -> list[list[str]]:
    """Return heading and rows of all verdicts."""
    rows = [list(VERDICTS)]
    for trial, record in held:
        rows += [_verdict_row(trial, verdict) for verdict in judged(trial, record)]
    return rows


def _verdict_row(trial: Trial, verdict: Verdict) -> list[str]:
    claim = verdict.claim
    outcome = str(verdict.outcome)
    if verdict.why:
        outcome += f" ({verdict.why})"
    return [
        f"{trial.title}: {claim.text}",
        f"{of(verdict.spread, 1, 2)} {claim.unit}".replace(" x", "x") if verdict.spread else DASH,
        span(verdict.spread, 1, 2),
        bound(claim, claim.floor),
        bound(claim, claim.goal),
        outcome,
    ]


def tally(held: Held) -> str:
    """Return how many claims came to what."""
    outcomes = [verdict.outcome for pair in held for verdict in judged(*pair)]
    told = [f"{outcomes.count(one)} {one}" for one in Outcome if one in outcomes]
    return f"{len(outcomes)} targets: {', '.join(told)}."


Shown = Callable[[Record, str], str]
"""What a cell of a table says of a party."""


def median_of(figure: str, unit: Unit, pace: Pace = FULL) -> Shown:
    """Show the median of a figure."""
    return lambda record, party: of(
        figure_of(record, Figure(figure, party, pace)), unit.scale, unit.digits
    )


def range_of(figure: str, unit: Unit) -> Shown:
    """Show from where to where a figure went."""
    return lambda record, party: span(
        figure_of(record, Figure(figure, party)), unit.scale, unit.digits
    )


def ratio_of(figure: str, first: str) -> Shown:
    """Show how many times the party's median the median of ``first`` is."""

    def shown(record: Record, party: str) -> str:
        one, other = (figure_of(record, Figure(figure, name)) for name in (first, party))
        if one is None or other is None or not other.median:
            return DASH
        return f"{one.median / other.median:.2f}x"

    return shown


def share_of(figure: str, most: float = math.inf) -> Shown:
    """Show a share of a core, marked where it is more than ``most``."""

    def shown(record: Record, party: str) -> str:
        found = figure_of(record, Figure(figure, party))
        if found is None:
            return DASH
        return f"{found.median * 100:.0f} %{' !' if found.median > most else ''}"

    return shown


def wrong(record: Record, party: str) -> str:
    """Show how many cells of a party are void."""
    void = sum(cell.void for cell in record.cells if cell.party == party)
    return f"VOID, {void}" if void else "0"


def columns(trial: Trial) -> list[tuple[str, Shown]]:
    """Return the columns of a trial's table."""
    rate, cost, first = UNITS[trial.rate], UNITS[trial.cost], trial.parties[0].name
    return [
        (rate.heading, median_of(trial.rate, rate)),
        ("range", range_of(trial.rate, rate)),
        (f"{first} is", ratio_of(trial.rate, first)),
        (cost.heading, median_of(trial.cost, cost)),
        ("bytes each", median_of("frame_bytes_in", Unit("bytes"))),
        ("server CPU", share_of("server_cpu_share")),
        ("generator CPU", share_of("generator_cpu_share", BOUND_SHARE)),
        ("p50 ms", median_of("latency_us.p50", MS)),
        ("p99 ms", median_of("latency_us.p99", MS)),
        ("p50 ms at half", median_of("latency_us.p50", MS, HALF)),
        ("p99 ms at half", median_of("latency_us.p99", MS, HALF)),
        ("fsync µs", median_of("fsync_us.p50", US)),
        ("commit µs", median_of("commit_us.p50", US)),
        ("wrong", wrong),
    ]


def table(trial: Trial, record: Record) -> list[list[str]]:
    """Return heading and rows of a trial's table: a row a party that was there."""
    there = [party.name for party in trial.parties if _count(record, party.name) is not None]
    told = [
        (heading, [shown(record, party) for party in there]) for heading, shown in columns(trial)
    ]
    told = [(heading, cells) for heading, cells in told if set(cells) != {DASH}]
    rows = [
        [party, str(_count(record, party)), *(cells[at] for _, cells in told)]
        for at, party in enumerate(there)
    ]
    return [["server", "n", *(heading for heading, _ in told)], *rows]


def _count(record: Record, party: str) -> int | None:
    """Return the repetitions of a party's first pace that are not void; ``None`` if it had none."""
    cells = [cell for cell in record.cells if cell.party == party]
    if not cells:
        return None
    return sum(not cell.void for cell in record.of(party, cells[0].pace))


def notes(trial: Trial, record: Record) -> list[str]:
    """Return what a table cannot show: both cores, who was missing, what was void."""
    found = [_both_cores(trial, cell) for cell in record.cells if cell.pace == BOTH_CORES.name]
    found += [f"Not measured: {party} ({why})." for party, why in record.missing.items()]
    found += [f"**VOID**: {fault(cell)}." for cell in record.cells if cell.void]
    return found


def _both_cores(trial: Trial, cell: Cell) -> str:
    unit = UNITS[trial.rate]
    value = None if cell.void else cell.figures.get(trial.rate)
    told = number(None if value is None else value * unit.scale, unit.digits)
    return f"With both cores {cell.party} reached {told} {unit.heading} (once)."


def facts(record: Record) -> str:
    """Return on what, when and how often it was measured."""
    machine = record.machine
    return (
        f"{machine.cores} cores ({machine.architecture}), {machine.kernel}, {machine.filesystem}, "
        f"load average {machine.load_average:g} before it began, {record.date}; {record.pinned}; "
        f"{record.repetitions} x {record.seconds:g} s, each after {record.warm_up_s:g} s of warm-up"
    )


def versions(held: Held) -> list[str]:
    """Return a line for every server: what it is made of."""
    found: dict[str, str] = {}
    for trial, record in held:
        for party in trial.parties:
            made_of = record.versions.get(party.name, {})
            told = ", ".join(f"{package} {version}" for package, version in made_of.items())
            if told:
                found.setdefault(party.peer, told)
    return [f"- {peer}: {told}" for peer, told in found.items()]


def markdown(held: Held, pictures: Sequence[tuple[str, str]]) -> str:
    """Return the report. ``pictures`` are (what it shows, name of the file)."""
    lines = [PREFACE, tally(held), "", *_markdown(verdict_rows(held))]
    for what, name in pictures:
        lines += ["", f"![{what}]({name})"]
    for trial, record in held:
        lines += ["", f"## {trial.title}", "", f"{_sentence(trial.state)}.", ""]
        lines += [*_markdown(table(trial, record)), ""]
        lines += [f"{note}\n" for note in notes(trial, record)]
        lines += [f"`{record.command}`; {facts(record)}."]
    lines += ["", "## What was measured", "", *versions(held)]
    return "\n".join(lines) + "\n"


def text(held: Held) -> str:
    """Return the verdicts for a terminal."""
    rows = verdict_rows(held)
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", tally(held)])


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _markdown(rows: list[list[str]]) -> list[str]:
    heading, *body = rows
    ruler = ["---", *["---:"] * (len(heading) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (heading, ruler, *body)]
