"""``python -m bench``: measure a server of this tree on this machine."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bench import plots, report, results_file, runner
from bench import self_test as harness
from bench.figures import Result
from bench.peers import TARGETS, parley
from bench.peers.target import Target
from bench.scenario import Bench
from bench.scenarios import SCENARIOS

SECONDS = 4.0
SECONDS_QUICK = 0.4
app = App(name="bench", help="Measure a server of this tree. Let nothing else run meanwhile.")


@app.default
def main(
    *scenarios: Annotated[str, Parameter(help=f"Which of {', '.join(SCENARIOS)}; none = all.")],
    seconds: Annotated[float | None, Parameter(help="Of each load.")] = None,
    quick: Annotated[bool, Parameter(negative="", help="A smoke run; keeps nothing.")] = False,
    self_test: Annotated[bool, Parameter(negative="", help="Test the harness itself.")] = False,
    results: Annotated[Path | None, Parameter(help="Keep results in this folder.")] = None,
) -> int:
    """Run scenarios, print their tables, keep their results and write the report.

    Returns 1 when a run is void or the self-test fails, 2 when there is no such scenario.
    """
    unknown = sorted(set(scenarios) - set(SCENARIOS))
    if unknown:
        print(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
        return 2
    target = TARGETS[parley.NAME]
    if self_test:
        return _test_harness(target)
    usual = SECONDS_QUICK if quick else SECONDS
    bench = Bench(target, seconds=seconds or usual, quick=quick, say=_progress())
    folder = results or (None if quick else results_file.RESULTS)
    flags = [f"--seconds {seconds:g}"] if seconds else []
    command = " ".join(["python -m bench", *scenarios, *flags, *(["--quick"] if quick else [])])
    done = [_run(name, bench, command, folder) for name in scenarios or SCENARIOS]
    if folder is not None and not quick:
        print(f"report: {_write_report(folder).name} in {folder.name}")
    return int(any(result.void for result in done))


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


def _progress() -> Callable[[str], None]:
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", flush=True)

    return say


def _test_harness(target: Target) -> int:
    findings = harness.findings(target)
    for finding in findings:
        detail = f" ({finding.detail})" if finding.detail else ""
        print(f"{'seen    ' if finding.seen else 'NOT SEEN'}  {finding.what}{detail}")
    return int(not all(finding.seen for finding in findings))


if __name__ == "__main__":
    sys.exit(app(result_action="return_value"))
