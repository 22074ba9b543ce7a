"""``python -m bench court``: hold the trials, keep what was measured, write the report."""

import os
from collections.abc import Sequence
from pathlib import Path

from bench.court import plots, record, report
from bench.court.sitting import Bounds, Court
from bench.court.targets import TRIALS
from bench.court.verdicts import Outcome, judged
from bench.progress import progress

REPETITIONS = 3
SECONDS = 1.5
SECONDS_QUICK = 0.4
WARM_UP_SECONDS = 0.5
LOAD_AVERAGE_MAX = 0.5
"""Of the last minute: a machine with more to do is told to be busy."""

WARM_UP_SECONDS_QUICK = 0.2


def bounds(repetitions: int | None, seconds: float | None, *, quick: bool) -> Bounds:
    """Return how often and how long, where nothing else was asked for."""
    return Bounds(
        repetitions=repetitions or (1 if quick else REPETITIONS),
        seconds=seconds or (SECONDS_QUICK if quick else SECONDS),
        warm_up_s=WARM_UP_SECONDS_QUICK if quick else WARM_UP_SECONDS,
        quick=quick,
    )


def hold(names: Sequence[str], chosen: Bounds, command: str, folder: Path | None) -> int:
    """Hold trials, print the verdicts, and keep everything in ``folder``.

    Returns 1 if a figure of Parley is void, else 0: a target that was missed is no failure.
    """
    court = Court(chosen, progress())
    busy = os.getloadavg()[0]
    if busy > LOAD_AVERAGE_MAX:
        court.say(
            f"the load average is {busy:g}: something else runs, and every figure will show it"
        )
    held = []
    for name in names or TRIALS:
        court.say(TRIALS[name].title)
        found = court.hold(TRIALS[name], command)
        held.append((TRIALS[name], found))
        if folder is not None:
            record.keep(found, folder)
    print(f"\n{report.text(held)}\n", flush=True)
    if folder is not None and not chosen.quick:
        print(f"report: {write(folder).name} in {folder.name}")
    outcomes = [verdict.outcome for pair in held for verdict in judged(*pair)]
    return int(Outcome.VOID in outcomes)


def write(folder: Path) -> Path:
    """Write one page of every record in ``folder``, also of those that were not held now."""
    held = [(TRIALS[found.trial], found) for found in record.kept(folder, TRIALS)]
    page = folder / "report.md"
    page.write_text(report.markdown(held, plots.draw(held, folder)), encoding="utf-8")
    return page
