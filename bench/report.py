"""Results for people: a table on the terminal, and one page of Markdown."""

from collections.abc import Callable, Sequence
from itertools import zip_longest

from bench.figures import Phase, Result, at_half, fastest, sustained

VOID = "VOID"
Cell = Callable[[Phase], str]


def _number(value: float | None, digits: int = 0) -> str:
    """Return a figure as people read it; a dash where nothing was measured."""
    return "–" if value is None else f"{value:,.{digits}f}"  # noqa: RUF001 - the dash is meant


def _ms(value: float | None) -> str:
    """Return milliseconds with as many digits as matter."""
    if value is None:
        return _number(None)
    return _number(value, sum(value < bound for bound in (10, 100)))


def _latency(phase: Phase, name: str) -> str:
    return VOID if phase.void else _ms(getattr(phase.latency, name, None))


def _per_s(phase: Phase) -> str:
    late = "" if phase.keeps_up or phase.void else " late"
    return VOID if phase.void else _number(phase.per_s) + late


def _generator(phase: Phase) -> str:
    share = phase.generator_cpu_share
    bound = " !" if phase.generator_bound else ""
    return "–" if share is None else f"{share * 100:.0f} %{bound}"  # noqa: RUF001 - the dash is meant


def _wrong(phase: Phase) -> str:
    counts = phase.counts
    return f"{counts.lost}/{counts.doubled}/{counts.disordered}"


COLUMNS: tuple[tuple[str, Cell], ...] = (
    ("count", lambda phase: _number(phase.operations)),
    ("p50 ms", lambda phase: _latency(phase, "p50_ms")),
    ("p90 ms", lambda phase: _latency(phase, "p90_ms")),
    ("p99 ms", lambda phase: _latency(phase, "p99_ms")),
    ("p99.9 ms", lambda phase: _latency(phase, "p999_ms")),
    ("max ms", lambda phase: _latency(phase, "max_ms")),
    ("server µs/op", lambda phase: _number(phase.server_cpu_us)),
    ("generator CPU", _generator),
    ("sent late p99 ms", lambda phase: _ms(phase.late_ms_p99)),
    ("fsync µs", lambda phase: _number(phase.sync.p50_us)),
    ("lost/doubled/disordered", _wrong),
)


def table(result: Result, phases: Sequence[Phase]) -> list[list[str]]:
    """Return heading and rows of a table of phases."""
    more = list(dict.fromkeys(name for phase in phases for name in phase.more))
    heading = ["load", f"{result.unit}/s", *(name for name, _ in COLUMNS), *more]
    rows = [
        [
            phase.label,
            _per_s(phase),
            *(cell(phase) for _, cell in COLUMNS),
            *(_ms(phase.more.get(name)) for name in more),
        ]
        for phase in phases
    ]
    return [heading, *rows]


def facts(result: Result) -> str:
    """Return on what and when it was run."""
    machine = result.machine
    return (
        f"{machine.cores} cores ({machine.architecture}), {machine.kernel}, Python "
        f"{machine.python}, {machine.filesystem}, load average {machine.load_average:g} before it "
        f"began, {result.date}"
    )


def text(result: Result) -> str:
    """Return a result for a terminal."""
    lines = [f"{result.title} ({result.target}): latency {result.latency_of}", facts(result)]
    for group, phases in result.groups().items():
        rows = table(result, phases)
        widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
        lines += [group] if group else []
        lines += [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
    if result.void:
        lines.append(why_void(result))
    return "\n".join(lines)


def why_void(result: Result) -> str:
    """Return what was wrong, phase by phase."""
    wrong = []
    for phase in result.phases:
        counts = phase.counts
        if phase.void:
            where = " ".join(filter(None, (phase.group, phase.label)))
            wrong.append(
                f"{where}: {counts.unanswered} unanswered, {counts.lost} lost, {counts.doubled} "
                f"doubled, {counts.disordered} out of order, {counts.errors} errors"
            )
    return f"{VOID}: these figures are worth nothing. " + "; ".join(wrong)


def _markdown(rows: list[list[str]]) -> list[str]:
    heading, *body = rows
    ruler = ["---", *["---:"] * (len(heading) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (heading, ruler, *body)]


SUMMARY = (
    "scenario",
    "kept up with",
    "p50, p99 ms there",
    "at half of it",
    "most measured",
)


def _summary(results: Sequence[Result]) -> list[list[str]]:
    rows = [list(SUMMARY)]
    for result in results:
        for group, phases in result.groups().items():
            name = ", ".join(filter(None, (result.title, group)))
            rows.append([name, *_kept_up(result, phases), _most(result, phases)])
    return rows


def _kept_up(result: Result, phases: Sequence[Phase]) -> list[str]:
    best = sustained(phases)
    if best is None:
        return [_number(None)] * 3
    half = at_half(phases)
    below = f"{_both(half)} at {half.label}" if half is not None else _number(None)
    return [f"{_number(best.per_s)} {result.unit}/s", _both(best), below]


def _both(phase: Phase) -> str:
    return f"{_latency(phase, 'p50_ms')}, {_latency(phase, 'p99_ms')}"


def _most(result: Result, phases: Sequence[Phase]) -> str:
    most = fastest(phases)
    if most is None:
        return VOID
    return f"{_number(most.per_s)} {result.unit}/s ({most.label})"


PREFACE = """# Benchmarks

Written by `python -m bench scenarios`; [docs/benchmarks.md](../../docs/benchmarks.md) says how to
read it, and [court/report.md](court/report.md) measures Parley beside its peers. Server and load
generator share one machine. Latencies of open loops count from the moment a message was to be sent.
A run that lost, doubled or disordered a message is void.
"""


def markdown(results: Sequence[Result], pictures: dict[str, list[str]]) -> str:
    """Return the report; ``pictures`` are the names of the files of each scenario."""
    lines = [PREFACE, *_markdown(_summary(results))]
    for result in results:
        settings = ", ".join(
            f"{name} {value:g}" if isinstance(value, float | int) else f"{name} {value}"
            for name, value in result.settings.items()
        )
        lines += ["", f"## {result.title}", "", result.about, f"Latency: {result.latency_of}."]
        lines += ["", f"`{result.command}`; {facts(result)}; {settings}."]
        if result.void:
            lines += ["", f"**{why_void(result)}**"]
        for group, phases in result.groups().items():
            lines += ["", *([f"**{group}**", ""] if group else [])]
            lines += _markdown(table(result, phases))
        for name in pictures.get(result.scenario, []):
            lines += ["", f"![{result.title}]({name})"]
    return "\n".join(lines) + "\n"
