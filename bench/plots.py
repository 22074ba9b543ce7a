"""Plots of results as SVG files that differ only if their figures do.

The one place that draws: matplotlib is in the environment of ``make bench``, not of ``make test``,
so it is imported when a plot is drawn, and by name, since a type checker may not find it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.figures import Phase, Result, by_group

SETTINGS = {"svg.hashsalt": "parley", "svg.fonttype": "none", "font.family": "sans-serif"}
METADATA = {"Date": None, "Creator": None}
PANEL_INCHES = (7.0, 4.0)
NINES = (50.0, 90.0, 99.0, 99.9, 99.99)

Draw = Callable[[Any, Sequence[Phase], Result], None]


def latency(axes: Any, phases: Sequence[Phase], result: Result) -> None:
    """Draw latency over percentile, one line a load, with room for the nines."""
    for phase in phases:
        if phase.latency is None:
            continue
        points = [(at, ms) for at, ms in phase.latency.curve if at < 100.0]
        late = "" if phase.keeps_up else " (late)"
        style = "--" if phase.load.loop == "closed" else "-"
        axes.plot(
            [1 / (1 - at / 100) for at, _ in points],
            [ms for _, ms in points],
            style,
            label=phase.label + late,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([1 / (1 - at / 100) for at in NINES], [f"{at:g} %" for at in NINES])
    axes.minorticks_off()
    axes.set_xlabel("percentile")
    axes.set_ylabel("latency, ms")
    axes.set_title(_title(phases, result))
    axes.legend(fontsize="small")


def throughput(axes: Any, phases: Sequence[Phase], result: Result) -> None:
    """Draw what was done a second, one bar a load."""
    bars = axes.bar([phase.label for phase in phases], [phase.per_s for phase in phases])
    axes.bar_label(bars, fmt="{:,.0f}", fontsize="small")
    axes.tick_params(axis="x", rotation=45)
    axes.set_ylabel(f"{result.unit}/s")
    axes.set_title(_title(phases, result))


def by_batch(axes: Any, phases: Sequence[Phase], result: Result) -> None:
    """Draw what was done a second over the size of a batch, one line a group."""
    for group, alike in by_group(phases).items():
        sizes, rates = [phase.label for phase in alike], [phase.per_s for phase in alike]
        axes.plot(sizes, rates, "o-", label=group)
    axes.set_yscale("log")
    axes.set_xlabel("rows that share a commit")
    axes.set_ylabel(f"{result.unit}/s")
    axes.set_title(result.title)
    axes.legend(fontsize="small")


@dataclass(frozen=True)
class Plot:
    """How something is drawn: a panel for each group, or one for all of them."""

    draw: Draw
    together: bool = False


PLOTS: dict[str, dict[str, Plot]] = {
    "send_ok": {"latency": Plot(latency)},
    "fan_out": {"latency": Plot(latency), "deliveries": Plot(throughput)},
    "append_batch": {"rows": Plot(by_batch, together=True), "latency": Plot(latency)},
}
"""What is drawn of a scenario: name of the plot → how."""


def draw(result: Result, folder: Path) -> list[str]:
    """Draw the plots of a result; return the names of their files. Void phases are left out."""
    drawn: list[str] = []
    phases = [phase for phase in result.phases if not phase.void]
    for name, plot in PLOTS.get(result.scenario, {}).items():
        panels = [phases] if plot.together else list(by_group(phases).values())
        if phases:
            path = folder / f"{result.scenario}_{name}.svg"
            _draw(result, plot.draw, panels, path)
            drawn.append(path.name)
    return drawn


def _draw(result: Result, how: Draw, panels: Sequence[Sequence[Phase]], path: Path) -> None:
    matplotlib: Any = import_module("matplotlib")
    figures: Any = import_module("matplotlib.figure")
    columns = min(len(panels), 2)
    lines = -(-len(panels) // columns)
    width, height = PANEL_INCHES
    with matplotlib.rc_context(SETTINGS):
        figure = figures.Figure(figsize=(width * columns, height * lines), layout="constrained")
        places = list(figure.subplots(lines, columns, squeeze=False, sharey=True).flat)
        for axes in places[len(panels) :]:
            axes.set_visible(False)
        for axes, phases in zip(places, panels, strict=False):
            how(axes, phases, result)
            axes.grid(visible=True, alpha=0.3)
        figure.savefig(path, format="svg", metadata=METADATA)


def _title(phases: Sequence[Phase], result: Result) -> str:
    return ", ".join(filter(None, (result.title, phases[0].group)))
