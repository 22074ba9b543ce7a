"""The table of requirements, as data."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("requirements.toml")
LINES = {"S": 129, "F": 15, "G": 24, "B": 93}
"""How many lines each group has: one that is lost is noticed."""

_SENTENCE = re.compile(r"\S.*\.")


class TableError(Exception):
    """The table is not whole."""


@dataclass(frozen=True)
class Requirement:
    """One line: what is to hold, and what is there of it while it is not covered."""

    id: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Lines of one kind, in order."""

    title: str
    about: str
    requirements: tuple[Requirement, ...]


def groups(path: Path = TABLE) -> tuple[Group, ...]:
    """Return the table.

    Raises:
        TableError: a line is missing, empty, or there is one too many.
    """
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    notes: dict[str, str] = told.pop("notes", {})
    if told.keys() != LINES.keys():
        raise TableError(f"the groups are {', '.join(LINES)}, in this order")
    found = tuple(_group(letter, told[letter], notes) for letter in LINES)
    if stray := notes.keys() - ids(found):
        raise TableError(f"notes on {', '.join(sorted(stray))}, which are no lines")
    return found


def ids(table: tuple[Group, ...]) -> set[str]:
    """Return every id there is."""
    return {line.id for group in table for line in group.requirements}


def _group(letter: str, told: dict[str, Any], notes: dict[str, str]) -> Group:
    numbers = [str(number) for number in range(1, LINES[letter] + 1)]
    lines: dict[str, str] = told["lines"]
    if list(lines) != numbers:
        raise TableError(f"{letter} has the lines {numbers[0]} to {numbers[-1]}, in order")
    for number, text in lines.items():
        if not _SENTENCE.fullmatch(text):
            raise TableError(f"{letter}{number} is no sentence")
    made = [
        Requirement(f"{letter}{number}", text, notes.get(f"{letter}{number}", ""))
        for number, text in lines.items()
    ]
    return Group(told["title"], told["about"], tuple(made))
