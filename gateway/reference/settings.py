"""docs/reference/settings.md: every setting of a node."""

from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from cyclopts import Parameter

from gateway.config import Settings
from gateway.reference import markdown

_INTRODUCTION = """\
A flag, then the variable, then `parley.toml` in the working folder, then the default;
[running.md](../running.md) says what they are for."""


def text() -> str:
    """Return the page."""
    hints = get_type_hints(Settings, include_extras=True)
    rows = [_row(field, hints[field.name]) for field in fields(Settings)]
    head = ("parley.toml", "flag", "variable", "default", "values", "")
    return markdown.page("Settings", _INTRODUCTION, markdown.table(head, rows))


def _row(field: Field[Any], hint: Any) -> tuple[str, ...]:
    kind, *said = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    parameter = next((one for one in said if isinstance(one, Parameter)), Parameter())
    return (
        markdown.code(field.name),
        markdown.code("--" + field.name.replace("_", "-")),
        markdown.code(f"PARLEY_{field.name.upper()}"),
        _default(field),
        _values(kind),
        parameter.help or "",
    )


def _default(field: Field[Any]) -> str:
    value = field.default
    if value in (None, (), "", MISSING):
        return ""
    return markdown.code(str(value))


def _values(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return markdown.codes(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return "several: " + _values(get_args(kind)[0])
    words = {Path: "path", str: "text", int: "whole number", float: "number", bool: "yes or no"}
    named = [words.get(one, "") for one in (kind, *get_args(kind))]
    return next(filter(None, named), str(kind))
