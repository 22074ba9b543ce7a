"""docs/requirements.md: what is covered by which test, and what is not. Pure."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from tests.requirements.table import Group

Coverage = Mapping[str, list[str]]
"""Line of the table → the tests that cover it, as ``path::name``."""

HEAD = """# Requirements

What Parley is to do, and the tests that show it. `make requirements` runs the marked tests and
writes this page. A test counts only if it passed in that run; a line only if all of it is tested.

"""


def coverage(report: Mapping[str, Mapping[str, Any]], *, counts: str) -> dict[str, list[str]]:
    """Return what is covered: every run of every test marked with it ended as ``counts`` says."""
    found: dict[str, list[str]] = {}
    missed: set[str] = set()
    for test in sorted(report):
        names = report[test]["requirements"]
        if report[test]["outcomes"] != [counts]:
            missed.update(names)
        for name in names:
            found.setdefault(name, []).append(test)
    return {name: tests for name, tests in found.items() if name not in missed}


def summary(table: tuple[Group, ...], covered: Coverage) -> Iterator[tuple[str, int, int]]:
    """Yield title, covered lines and all lines of each group."""
    for group in table:
        names = [line.id for line in group.requirements]
        yield group.title, sum(name in covered for name in names), len(names)


def uncovered(table: tuple[Group, ...], covered: Coverage) -> Iterator[str]:
    """Yield each line that no test covers, with what is there of it."""
    for group in table:
        for line in group.requirements:
            if line.id not in covered:
                yield f"{line.id} {line.text}" + (f" (partly: {line.note})" if line.note else "")


def page(table: tuple[Group, ...], covered: Coverage) -> str:
    """Return the page."""
    text = HEAD + "| group | covered | lines |\n|---|---|---|\n"
    for title, done, lines in summary(table, covered):
        text += f"| {title} | {done} | {lines} |\n"
    for group in table:
        text += f"\n## {group.title}\n\n{group.about}\n\n| | requirement | tests |\n|---|---|---|\n"
        for line in group.requirements:
            note = f"partly: {line.note}" if line.note else ""
            shown = _tests(covered[line.id]) if line.id in covered else note
            text += f"| {line.id} | {line.text} | {shown} |\n"
    return text


def _tests(tests: list[str]) -> str:
    """Return tests as sentences behind a link to the file they stand in."""
    files: dict[str, list[str]] = {}
    for test in tests:
        path, _, name = test.partition("::")
        files.setdefault(path, []).append(name.removeprefix("test_").replace("_", " "))
    return "; ".join(
        f"[{PurePosixPath(path).stem.removeprefix('test_')}](../{path}): {', '.join(names)}"
        for path, names in files.items()
    )
