"""What every backend of views checks and works out alike. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from persistence.limits import (
    VIEW_BYTES_MAX,
    VIEW_CHANGES_MAX,
    VIEW_COLUMNS_MAX,
    VIEW_GROUPS_MAX,
    VIEW_KEY_CHARACTERS_MAX,
    VIEW_ROWS_MAX,
    VIEW_TEXT_CHARACTERS_MAX,
    VIEW_VALUES_MAX,
)
from persistence.protocols.views import (
    KEY,
    AnyOf,
    Between,
    Change,
    Column,
    ColumnKind,
    Condition,
    Declaration,
    Drop,
    OneOf,
    Put,
    Query,
    Value,
)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_INTEGER_MAX = 2**63 - 1


@dataclass(slots=True)
class RowChange:
    """All that one write does to one row."""

    dropped: bool = False
    """Whether what was there goes first."""
    is_put: bool = False
    values: dict[str, Value | None] = field(default_factory=dict)
    many: dict[str, dict[str, bool]] = field(default_factory=dict)
    """Column → value → whether it is in the set behind the write."""


def joined(changes: Iterable[Change]) -> dict[str, RowChange]:
    """Return what the changes do to each row in the end, by key."""
    found: dict[str, RowChange] = {}
    for change in changes:
        if isinstance(change, Drop):
            found[change.key] = RowChange(dropped=True)
            continue
        row = found.setdefault(change.key, RowChange())
        row.is_put = True
        row.values.update(change.values)
        for sets, there in ((change.removed, False), (change.added, True)):
            for column, values in sets.items():
                row.many.setdefault(column, {}).update(dict.fromkeys(values, there))
    return found


class Shape:
    """A declaration that was found right, and the checks of what is asked of it."""

    def __init__(self, declaration: Declaration) -> None:
        """Look at every name.

        Raises:
            ValueError: a name or number breaks a rule, or an index names what cannot be ordered.
        """
        columns = declaration.columns
        self.declaration = declaration
        self.single = {one.name: one for one in columns if not one.many}
        self.many = {one.name: one for one in columns if one.many}
        names = [declaration.name, *(one.name for one in columns)]
        if not all(map(_NAME.fullmatch, names)) or KEY in names[1:]:
            raise _wrong(f"a name has 1 to 32 of [a-z0-9_] and none is {KEY!r}: {names}")
        if len(self.single) + len(self.many) != len(columns) or len(columns) > VIEW_COLUMNS_MAX:
            raise _wrong(f"a view has at most {VIEW_COLUMNS_MAX} columns, each once")
        if declaration.schema < 1 or any(one.kind != "text" for one in self.many.values()):
            raise _wrong("a schema is 1 or more, and many values are texts")
        for column in (column for index in declaration.indexes for column in index):
            self._ordering(column)

    def check_changes(self, changes: Sequence[Change]) -> None:
        """Raise ``ValueError`` for a change that this view does not take."""
        if len(changes) > VIEW_CHANGES_MAX:
            raise _wrong(f"{len(changes)} changes: a write has at most {VIEW_CHANGES_MAX}")
        for change in changes:
            _check_text(change.key, VIEW_KEY_CHARACTERS_MAX)
            if isinstance(change, Put):
                self._check_put(change)

    def check_query(self, query: Query) -> None:
        """Raise ``ValueError`` for a query that this view cannot answer."""
        kind = self._ordering(query.order_by).kind
        self.check_where(query.where)
        if not 1 <= query.limit <= VIEW_ROWS_MAX:
            raise _wrong(f"a read has 1 to {VIEW_ROWS_MAX} rows")
        if query.after is not None:
            _check_value(query.after[0], kind)
            _check_text(query.after[1], VIEW_KEY_CHARACTERS_MAX)

    def check_counts(self, by: str, where: Sequence[Condition], limit: int) -> None:
        """Raise ``ValueError`` for a count that this view cannot make."""
        self._ordering(by)
        self.check_where(where)
        if not 1 <= limit <= VIEW_GROUPS_MAX:
            raise _wrong(f"a count has 1 to {VIEW_GROUPS_MAX} groups")

    def check_where(self, where: Sequence[Condition]) -> None:
        """Raise ``ValueError`` for a condition that names no column to be asked for."""
        for condition in where:
            parts = condition.conditions if isinstance(condition, AnyOf) else (condition,)
            if not parts:
                raise _wrong("any of nothing")
            for part in parts:
                self._check_condition(part)

    def _check_condition(self, condition: OneOf | Between) -> None:
        kind = "text"
        if condition.column != KEY and condition.column not in self.many:
            kind = self._ordering(condition.column).kind
        if isinstance(condition, Between):
            self._ordering(condition.column)
            values: tuple[str | int | None, ...] = (condition.least, condition.below)
        else:
            values = condition.values
        if len(values) > VIEW_VALUES_MAX:
            raise _wrong(f"a condition lists at most {VIEW_VALUES_MAX} values")
        for value in values:
            if value is not None:
                _check_value(value, kind)
            elif isinstance(condition, OneOf) and condition.column not in self.single:
                raise _wrong(f"{condition.column} is never missing")

    def _check_put(self, put: Put) -> None:
        for name, value in put.values.items():
            column = self.single.get(name)
            if column is None:
                raise _wrong(f"there is no single column {name}")
            if value is not None:
                _check_value(value, column.kind)
        for sets in (put.added, put.removed):
            for name, values in sets.items():
                if name not in self.many:
                    raise _wrong(f"there is no column {name} with many values")
                for one in values:
                    _check_value(one, "text")

    def _ordering(self, name: str) -> Column:
        column = self.single.get(name)
        if column is None or column.kind == "bytes":
            raise _wrong(f"there is no column {name} to order or to ask by")
        return column


def _check_value(value: Value, kind: ColumnKind | str) -> None:
    if kind == "integer":
        is_right = type(value) is int and -_INTEGER_MAX <= value <= _INTEGER_MAX
    elif kind == "bytes":
        is_right = type(value) is bytes and len(value) <= VIEW_BYTES_MAX
    else:
        _check_text(value, VIEW_TEXT_CHARACTERS_MAX)
        return
    if not is_right:
        raise _wrong(f"{type(value).__name__} is no {kind} within its bounds")


def _check_text(value: Value, characters: int) -> None:
    if type(value) is not str or not 1 <= len(value) <= characters or not value.isprintable():
        raise _wrong(f"a text has 1 to {characters} characters that print")


def _wrong(message: str) -> ValueError:
    return ValueError(message)
