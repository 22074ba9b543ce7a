"""docs/cli.md names every command, every option and every setting there is."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from cyclopts import App

from gateway.cli import app
from gateway.config import Settings

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
LINE = re.compile(r"^(?:PARLEY_KEY=\S+ )?parley (.*)$", re.MULTILINE)
HEADING = re.compile(r"^## `parley ([a-z -]+)", re.MULTILINE)
SETTINGS = {f"--{field.name.replace('_', '-')}" for field in fields(Settings)}


def commands(of: App, prefix: str = "") -> Iterator[tuple[str, App]]:
    """Yield every command that does something, with its full name."""
    for name in of:
        if not name.startswith("-"):
            command = of[name]
            if command.default_command is None:
                yield from commands(command, f"{prefix}{name} ")
            else:
                yield f"{prefix}{name}", command


def options(command: App) -> set[str]:
    """Return a command's own options, without the settings that all of them take."""
    found = {
        name
        for argument in command.assemble_argument_collection()
        for name in argument.names
        if name.startswith("--") and not name.startswith("--empty-")
    }
    return found - SETTINGS


def sections() -> dict[str, str]:
    parts = HEADING.split(PAGE.read_text(encoding="utf-8"))[1:]
    return {name.strip(): text for name, text in zip(parts[::2], parts[1::2], strict=True)}


def test_every_command_has_a_section_and_no_section_is_stale() -> None:
    assert set(sections()) == {name for name, _ in commands(app)}


def test_a_section_names_every_option() -> None:
    told = sections()
    missing = {
        f"parley {name} {option}"
        for name, command in commands(app)
        for option in options(command)
        if f"`{option}" not in told[name] and f" {option}" not in told[name]
    }
    assert missing == set()


def test_a_section_names_no_option_that_is_none() -> None:
    known = {name: options(command) | SETTINGS | {"--help"} for name, command in commands(app)}
    for name, text in sections().items():
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
        assert named - set().union(*known.values()) == set(), name


def test_every_line_on_the_page_is_one_that_the_program_takes() -> None:
    lines = LINE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(lines) > 10
    for line in lines:
        command, bound, _ = app.parse_args(shlex.split(line), exit_on_error=False)
        assert command.__module__ == "gateway.cli", line
        assert "settings" in command.__annotations__
        assert set(bound.arguments) <= set(command.__annotations__), line
