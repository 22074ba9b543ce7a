"""``python -m bench``: measure a server of this tree on this machine."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bench import plots, report, results_file, runner
from bench import self_test as harness
from bench.court import command as court_command
from bench.court.record import RECORDS
from bench.court.targets import TRIALS
from bench.figures import Result
from bench.load import compiled
from bench.peers import TARGETS
from bench.peers.parley import NAME
from bench.progress import progress
from bench.scenario import Bench
from bench.scenarios import SCENARIOS

SECONDS = 4.0
SECONDS_QUICK = 0.4
app = App(name="bench", help="Measure a server of this tree. Let nothing else run meanwhile.")

Quick = Annotated[bool, Parameter(negative="", help="A smoke run; keeps nothing.")]
Results = Annotated[Path | None, Parameter(help="Keep results in this folder.")]


@app.command
@app.default
def court(
    *trials: Annotated[str, Parameter(help=f"Which of {', '.join(TRIALS)}; none = all.")],
    repetitions: Annotated[int | None, Parameter(help="Of each load.")] = None,
    secs: Annotated[float | None, Parameter(help="Of each load.")] = None,
    quick: Quick = False,
    results: Results = None,
) -> int:
    """Measure Parley beside its peers, judge it by its targets, and write the report.

    Returns 1 when a figure of Parley is void, 2 when there is no such trial.
    """
    if not _are_known(trials, TRIALS):
        return 2
    try:
        compiled.built()
    except compiled.GeneratorError as error:
        print(f"{error}\nSo no peer is measured. What follows is Parley alone, driven by Python.")
        return scenarios(quick=quick, results=results)
    flags = [f"--repetitions {repetitions}"] if repetitions else []
    flags += [f"--secs {secs:g}"] if secs else []
    asked = _command("court", trials, flags, quick=quick)
    bounds = court_command.bounds(repetitions, secs, quick=quick)
    return court_command.hold(trials, bounds, asked, results or (None if quick else RECORDS))


@app.command
def scenarios(
    *names: Annotated[str, Parameter(help=f"Which of {', '.join(SCENARIOS)}; none = all.")],
    seconds: Annotated[float | None, Parameter(help="Of each load.")] = None,
    quick: Quick = False,
    results: Results = None,
) -> int:
    """Measure Parley alone, from low rates up to the first that it does not keep up with.

    Returns 1 when a run is void, 2 when there is no such scenario.
    """
    if not _are_known(names, SCENARIOS):
        return 2
    usual = SECONDS_QUICK if quick else SECONDS
    bench = Bench(TARGETS[NAME], seconds=seconds or usual, quick=quick, say=progress())
    folder = results or (None if quick else results_file.RESULTS)
    flags = [f"--seconds {seconds:g}"] if seconds else []
    asked = _command("scenarios", names, flags, quick=quick)
    done = [_run(name, bench, asked, folder) for name in names or SCENARIOS]
    if folder is not None and not quick:
        print(f"report: {_write_report(folder).name} in {folder.name}")
    return int(any(result.void for result in done))


@app.command
def self_test() -> int:
    """Show that the scenarios see what they have to see. Returns 1 if they do not."""
    findings = harness.findings(TARGETS[NAME])
    for finding in findings:
        detail = f" ({finding.detail})" if finding.detail else ""
        print(f"{'seen    ' if finding.seen else 'NOT SEEN'}  {finding.what}{detail}")
    return int(not all(finding.seen for finding in findings))


def _are_known(names: Sequence[str], table: Mapping[str, object]) -> bool:
    unknown = sorted(set(names) - set(table))
    if unknown:
        print(f"there is no {', '.join(unknown)}; there are {', '.join(table)}")
    return not unknown


def _command(name: str, names: Sequence[str], flags: Sequence[str], *, quick: bool) -> str:
    return " ".join([f"python -m bench {name}", *names, *flags, *(["--quick"] if quick else [])])


def _run(name: str, bench: Bench, command: str, folder: Path | None) -> Result:
    bench.say(SCENARIOS[name].title)
    result = runner.run(SCENARIOS[name], bench, command)
    print(f"\n{report.text(result)}\n", flush=True)
    if folder is not None:
        results_file.keep(result, folder)
    return result


def _write_report(folder: Path) -> Path:
    """Write one page of every result in ``folder``, also of those that were not run now."""
    found = results_file.kept(folder, list(SCENARIOS))
    pictures = {result.scenario: plots.draw(result, folder) for result in found}
    page = folder / "report.md"
    page.write_text(report.markdown(found, pictures), encoding="utf-8")
    return page


if __name__ == "__main__":
    sys.exit(app(result_action="return_value"))
