"""The court's pictures: bars on a log axis, each with the load that it was measured with."""

import math
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.court.record import Record
from bench.court.report import UNITS, Held
from bench.court.trial import HALF, Figure, Trial
from bench.court.verdicts import OURS, Spread, figure_of
from bench.plots import METADATA, SETTINGS

RATES = ("fan_out_100_w16", "busy_room_w16", "pairs_w64", "rest_64")
PANEL_INCHES = (6.0, 3.2)
COLUMNS = 2
OUR_COLOUR, OUR_PALE_COLOUR, THEIR_COLOUR = "#1f6feb", "#8ab4f8", "#9aa4b2"
BAR_HEIGHT = 0.7
WHISKERS = {"ecolor": "#444", "capsize": 2}
ROOM_AT_THE_BEGINNING = 1.5
ROOM_FOR_FIGURES = 2.5
"""How much longer than the shortest and the longest bar an axis is, as factors."""

UNDERLINE = (
    "Parley: authenticated, checked, sealed and on disk before the answer (but for storage off). "
    "The others: neither authentication nor storage. One core each."
)


def draw(held: Held, folder: Path) -> list[tuple[str, str]]:
    """Draw what can be drawn of these trials; return (what it shows, name of the file)."""
    by_name = {trial.name: (trial, record) for trial, record in held}
    chosen = [by_name[name] for name in RATES if name in by_name]
    pages = (
        ("As fast as it goes, beside its peers", "peers.svg", _rates, rates),
        ("Latency at half of what each has reached", "latency.svg", _latencies, latencies),
    )
    drawn: list[tuple[str, str]] = []
    for what, name, panel, measured in pages:
        panels = [pair for pair in chosen if measured(*pair)]
        if panels:
            _page(panels, panel, folder / name)
            drawn.append((what, name))
    return drawn


def rates(trial: Trial, record: Record) -> list[tuple[str, Spread]]:
    """Return party → rate, the slowest first."""
    found = [
        (party.name, figure_of(record, Figure(trial.rate, party.name))) for party in trial.parties
    ]
    known = [(name, one) for name, one in found if one is not None]
    return sorted(known, key=lambda pair: pair[1].median)


def latencies(trial: Trial, record: Record) -> list[tuple[str, float, float]]:
    """Return party, p50 and p99 in ms at half of its rate; the first party is the last."""
    found: list[tuple[str, float, float]] = []
    for party in reversed(trial.parties):
        p50 = figure_of(record, Figure("latency_us.p50", party.name, HALF))
        p99 = figure_of(record, Figure("latency_us.p99", party.name, HALF))
        if p50 is not None and p99 is not None:
            found.append((party.name, p50.median / 1000, p99.median / 1000))
    return found


def _page(held: Held, panel: Any, path: Path) -> None:
    matplotlib: Any = import_module("matplotlib")
    figures: Any = import_module("matplotlib.figure")
    columns = min(len(held), COLUMNS)
    lines = -(-len(held) // columns)
    width, height = PANEL_INCHES
    with matplotlib.rc_context(SETTINGS):
        figure = figures.Figure(figsize=(width * columns, height * lines), layout="constrained")
        places = list(figure.subplots(lines, columns, squeeze=False).flat)
        for axes in places[len(held) :]:
            axes.set_visible(False)
        for axes, pair in zip(places, held, strict=False):
            panel(axes, *pair)
            axes.grid(visible=True, axis="x", alpha=0.3)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        figure.supxlabel(UNDERLINE, fontsize="small")
        figure.savefig(path, format="svg", metadata=METADATA)


def _rates(axes: Any, trial: Trial, record: Record) -> None:
    found = rates(trial, record)
    values = [one.median for _, one in found]
    ranges = [
        [one.median - one.least for _, one in found],
        [one.most - one.median for _, one in found],
    ]
    names = [name for name, _ in found]
    bars = axes.barh(
        names, values, xerr=ranges, color=_colours(names), height=BAR_HEIGHT, **WHISKERS
    )
    axes.bar_label(bars, fmt=" {:,.0f}", fontsize="small", padding=4)
    _log_axis(axes, values)
    axes.set_xlabel(f"{UNITS[trial.rate].heading}, log axis")
    axes.set_title(f"{trial.title}\n{trial.state}", fontsize="small", loc="left")


def _latencies(axes: Any, trial: Trial, record: Record) -> None:
    found = latencies(trial, record)
    names, low, high = zip(*found, strict=True)
    at, colours = range(len(names)), _colours(names)
    axes.hlines(at, low, high, color=colours, lw=3)
    axes.scatter(low, at, color=colours, marker="o", zorder=3)
    axes.scatter(high, at, color=colours, marker="|", s=120, zorder=3)
    axes.set_yticks(list(at), names)
    _log_axis(axes, [*low, *high])
    axes.set_xlabel("ms from the intended send: p50 (dot) to p99 (bar), log axis")
    axes.set_title(f"{trial.title}, at half of its own rate", fontsize="small", loc="left")


def _log_axis(axes: Any, values: Sequence[float]) -> None:
    """Begin at a power of ten, with room for figures at the end."""
    axes.set_xscale("log")
    begin = 10 ** math.floor(math.log10(min(values) / ROOM_AT_THE_BEGINNING))
    axes.set_xlim(begin, max(values) * ROOM_FOR_FIGURES)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.xaxis.set_minor_formatter(lambda *_: "")


def _colours(names: Sequence[str]) -> list[str]:
    """Parley as it is stands out; its variants are paler."""
    ours = {OURS: OUR_COLOUR}
    pale = {name: OUR_PALE_COLOUR for name in names if name.startswith(OURS)}
    return [(pale | ours).get(name, THEIR_COLOUR) for name in names]
