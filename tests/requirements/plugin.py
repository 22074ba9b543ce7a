"""Gathers which requirements the tests are marked with, and how those tests ended.

``@pytest.mark.requirement("S13", "B78")`` says that a test covers these lines of the table, or with
others of that mark covers them. ``--requirements-report FILE`` writes the outcomes there, as JSON.
"""

import json
from pathlib import Path

import pytest

from tests.requirements.table import groups, ids

MARK = "requirement"
OPTION = "--requirements-report"
COLLECTED, PASSED = "collected", "passed"


class Gatherer:
    """What is known of the marked tests of one session."""

    def __init__(self, path: Path | None) -> None:
        """Write to ``path`` in the end."""
        self._path = path
        self._marks: dict[str, set[str]] = {}
        self._outcomes: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Refuse a mark that names no line of the table, before anything runs."""
        known = ids(groups())
        for item in items:
            for name in sorted(marks_of(item) - known):
                raise pytest.UsageError(f"{item.nodeid}: there is no requirement {name!r}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take down what is going to run."""
        self._marks = {item.nodeid: marks for item in session.items if (marks := marks_of(item))}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down how a step of a test ended; what does not simply pass has not passed."""
        if report.nodeid in self._marks:
            outcome = "xfailed" if hasattr(report, "wasxfail") else str(report.outcome)
            before = self._outcomes.get(report.nodeid, PASSED)
            self._outcomes[report.nodeid] = outcome if before == PASSED else before

    def pytest_sessionfinish(self) -> None:
        """Write the report."""
        if self._path is not None:
            self._path.write_text(json.dumps(self._report(), indent=1), encoding="utf-8")

    def _report(self) -> dict[str, dict[str, list[str]]]:
        found: dict[str, tuple[set[str], set[str]]] = {}
        for nodeid, marks in self._marks.items():
            requirements, outcomes = found.setdefault(whole_test(nodeid), (set(), set()))
            requirements |= marks
            outcomes.add(self._outcomes.get(nodeid, COLLECTED))
        return {
            test: {"requirements": sorted(requirements), "outcomes": sorted(outcomes)}
            for test, (requirements, outcomes) in found.items()
        }


def whole_test(nodeid: str) -> str:
    """Return a test without its parameters."""
    return nodeid.partition("[")[0]


def marks_of(item: pytest.Item) -> set[str]:
    """Return the lines a test is marked with."""
    return {str(name) for mark in item.iter_markers(MARK) for name in mark.args}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the path of the report."""
    parser.addoption(OPTION, type=Path, default=None, help="write what marked tests cover here")


def pytest_configure(config: pytest.Config) -> None:
    """Gather in every session, so that a wrong mark fails in each."""
    config.pluginmanager.register(Gatherer(config.getoption(OPTION)), "requirements")
