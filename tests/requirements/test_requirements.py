"""The page of requirements is whole, honest and up to date."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.requirements.__main__ import PAGE, ROOT, gathered
from tests.requirements.page import coverage, page, summary, uncovered
from tests.requirements.plugin import COLLECTED, OPTION, PASSED
from tests.requirements.table import LINES, TABLE, Group, Requirement, TableError, groups, ids

SMALL = (
    Group(
        "Speed", "Measured.", (Requirement("S1", "It is fast."), Requirement("S2", "And small."))
    ),
    Group("Ease", "Felt.", (Requirement("F1", "It is easy.", note="for some"),)),
)

PLANTED = """
import pytest

@pytest.mark.requirement("S1", "B93")
def test_passes(): pass

@pytest.mark.requirement("B92")
def test_passes_beside_one_that_does_not(): pass

@pytest.mark.requirement("S2", "B92")
@pytest.mark.skip
def test_is_skipped(): pass

@pytest.mark.requirement("S3")
@pytest.mark.xfail
def test_is_expected_to_fail(): assert False

@pytest.mark.requirement("S4")
@pytest.mark.xfail
def test_passes_unexpectedly(): pass

@pytest.mark.requirement("S5")
@pytest.mark.parametrize("number", [1, 2])
def test_fails_once(number): assert number == 1

@pytest.fixture
def broken():
    yield
    raise ValueError

@pytest.mark.requirement("S6")
def test_fails_at_its_end(broken): pass

@pytest.mark.requirement("S7")
@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.skip)])
def test_is_skipped_once(number): pass

@pytest.mark.parametrize("one", [pytest.param(1, marks=pytest.mark.requirement("S8"))])
def test_is_marked_by_its_parameter(one): pass

def test_covers_nothing(): pass
"""


def run(folder: Path, text: str, *options: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    """Run the tests in ``text`` under the plugin; return its end and its report."""
    (folder / "test_planted.py").write_text(text, encoding="utf-8")
    path = folder / "report.json"
    ended = subprocess.run(
        (sys.executable, "-m", "pytest", "-p", "tests.requirements.plugin", OPTION, path, *options),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended, json.loads(path.read_text(encoding="utf-8"))


def test_the_page_says_what_the_tests_are_marked_with() -> None:
    status, report = gathered("--collect-only")
    assert status == 0
    expected = page(groups(), coverage(report, counts=COLLECTED))
    assert PAGE.read_text(encoding="utf-8") == expected, "run `make requirements`"


def test_a_test_counts_only_when_it_passed_whole(tmp_path: Path) -> None:
    ended, report = run(tmp_path, PLANTED)
    assert ended.returncode == 1
    found = coverage(report, counts=PASSED)
    assert found == {
        "S1": ["test_planted.py::test_passes"],
        "B93": ["test_planted.py::test_passes"],
        "S8": ["test_planted.py::test_is_marked_by_its_parameter"],
    }


def test_what_is_only_collected_has_not_passed(tmp_path: Path) -> None:
    _, report = run(tmp_path, PLANTED, "--collect-only")
    assert coverage(report, counts=PASSED) == {}
    expected = {f"S{number}" for number in range(1, 9)} | {"B92", "B93"}
    assert coverage(report, counts=COLLECTED).keys() == expected


@pytest.mark.parametrize("name", ["S130", "s1"])
def test_a_mark_that_names_no_line_is_refused_before_anything_runs(
    tmp_path: Path, name: str
) -> None:
    planted = f"import pytest\n@pytest.mark.requirement('S1', {name!r})\ndef test_a(): pass\n"
    ended, report = run(tmp_path, planted)
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"there is no requirement {name!r}" in ended.stdout + ended.stderr
    assert coverage(report, counts=PASSED) == {}


def test_the_table_has_every_line() -> None:
    expected = {f"{letter}{n}" for letter, last in LINES.items() for n in range(1, last + 1)}
    assert ids(groups()) == expected


FIRST_BAD_INPUT = '\n1 = "NaN and Infinity in JSON."'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (FIRST_BAD_INPUT, ""),
        (FIRST_BAD_INPUT, '\n1 = ""'),
        (FIRST_BAD_INPUT, '\n1 = "no sentence"'),
        (FIRST_BAD_INPUT, '\n0 = "One too many."' + FIRST_BAD_INPUT),
        (FIRST_BAD_INPUT, FIRST_BAD_INPUT + '\n94 = "One too many."'),
        ("[G]", "[H]"),
        ("\nF12 = ", "\nF16 = "),
    ],
)
def test_a_table_that_is_not_whole_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "requirements.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TableError):
        groups(path)


def test_the_page_shows_what_is_covered_and_what_is_not() -> None:
    covered = {
        "S2": ["tests/a/test_size.py::test_it_is_small", "tests/a/test_size.py::test_it_fits"]
    }
    shown = page(SMALL, covered)
    assert "| Speed | 1 | 2 |\n| Ease | 0 | 1 |" in shown
    assert "| S1 | It is fast. |  |" in shown
    assert "| S2 | And small. | [size](../tests/a/test_size.py): it is small, it fits |" in shown
    assert "| F1 | It is easy. | partly: for some |" in shown
    assert list(summary(SMALL, covered)) == [("Speed", 1, 2), ("Ease", 0, 1)]
    assert list(uncovered(SMALL, covered)) == [
        "S1 It is fast.",
        "F1 It is easy. (partly: for some)",
    ]
