"""The SQL of a view, made from its declaration. Pure.

Whoever writes or reads many rows does it by one statement, with the rows as one JSON text: SQLite
works through it without the interpreter lock. Names come from declarations that were checked.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from persistence.protocols.views import (
    KEY,
    AnyOf,
    Between,
    Column,
    Condition,
    Declaration,
    OneOf,
    Query,
    Value,
)

RARE_ROWS = 2_000
"""A value that so many rows have is common: then the rows are gone through in their order until
enough of them have it. Those of a rare one are looked up, and put in order."""

Statement = tuple[str, tuple[Any, ...]]

_TYPES = {"text": "TEXT", "integer": "INTEGER", "bytes": "BLOB"}

_PLACE = (
    "CREATE TABLE place (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL,"
    " epoch TEXT NOT NULL, declaration TEXT NOT NULL) STRICT"
)
READ_PLACE = "SELECT position, epoch, declaration FROM place"
MOVE = "UPDATE place SET position = ?"


def schema_of(declaration: Declaration) -> str:
    """Return the script that makes the tables of a view."""
    single = [one for one in declaration.columns if not one.many]
    columns = "".join(f", {one.name} {_TYPES[one.kind]}" for one in single)
    lines = [
        _PLACE,
        f"CREATE TABLE entry (key TEXT PRIMARY KEY{columns}) STRICT, WITHOUT ROWID",
    ]
    for number, index in enumerate(declaration.indexes):
        lines.append(f"CREATE INDEX entry_{number} ON entry ({', '.join(index)})")
    for one in declaration.columns:
        if one.many:
            lines.append(
                f"CREATE TABLE many_{one.name} (value TEXT, key TEXT, PRIMARY KEY (value, key))"
                " STRICT, WITHOUT ROWID"
            )
            lines.append(f"CREATE INDEX many_{one.name}_key ON many_{one.name} (key)")
    return ";\n".join(lines) + ";"


def begin_at_nothing(declaration: Declaration, epoch: str) -> Statement:
    """Return what writes down whose view it is."""
    told = msgspec.json.encode(declaration).decode()
    return _sql("INSERT INTO place VALUES (1, 0, ?, ?)"), (epoch, told)


def puts(
    single: Mapping[str, Column], rows: Mapping[str, Mapping[str, Value | None]]
) -> list[Statement]:
    """Return what puts rows, each with its columns: one statement for each set of columns."""
    alike: dict[tuple[str, ...], list[list[Any]]] = {}
    for key, values in rows.items():
        names = tuple(sorted(values))
        alike.setdefault(names, []).append([key, *(_told(values[name]) for name in names)])
    return [
        (_put([single[name] for name in names]), (json.dumps(told),))
        for names, told in alike.items()
    ]


def sets(column: str, pairs: Iterable[tuple[str, str]], *, there: bool) -> Statement:
    """Return what takes (value, key) pairs into a set, or out of it."""
    told = json.dumps(list(pairs))
    if there:
        return _sql(
            "INSERT OR IGNORE INTO", f"many_{column}", "SELECT value->>0, value->>1",
            "FROM json_each(?)",
        ), (told,)  # fmt: skip
    return _sql(
        "DELETE FROM", f"many_{column}", "WHERE (value, key) IN",
        "(SELECT value->>0, value->>1 FROM json_each(?))",
    ), (told,)  # fmt: skip


def drops(declaration: Declaration, keys: Iterable[str]) -> list[Statement]:
    """Return what removes rows, with all of their values."""
    told = json.dumps(list(keys))
    tables = ["entry", *(f"many_{one.name}" for one in declaration.columns if one.many)]
    return [
        (_sql("DELETE FROM", table, "WHERE key IN (SELECT value FROM json_each(?))"), (told,))
        for table in tables
    ]


def probe(condition: Condition, many: Mapping[str, Column]) -> Statement | None:
    """Return what counts the rows of a set up to ``RARE_ROWS``; ``None`` where an index orders."""
    if not _is_set(condition, many):
        return None
    keys, bindings = _keys(condition, many)
    return _sql("SELECT count(*) FROM (SELECT 1 FROM (", keys, f") LIMIT {RARE_ROWS})"), bindings


def page(declaration: Declaration, query: Query, rare: Sequence[bool]) -> Statement:
    """Return what reads a page as one JSON text; ``rare`` says it of each condition."""
    single = [one for one in declaration.columns if not one.many]
    many = {one.name: one for one in declaration.columns if one.many}
    sign = "<" if query.descending else ">"
    # With a rare set its few keys are looked up. A plus keeps SQLite from an index over all rows
    # (SQLite, "Disqualifying Terms Using Unary +"), which looks through all of them.
    is_looked_up = any(
        is_rare and _gives_keys(one, many) for one, is_rare in zip(query.where, rare, strict=True)
    )
    plus = "+" if is_looked_up else ""
    order = f"{plus}{query.order_by}"
    wheres, bindings = [f"{order} IS NOT NULL"], []
    for condition, is_rare in zip(query.where, rare, strict=True):
        text, more = _where(condition, many, is_rare=is_rare, plus=plus)
        wheres.append(text)
        bindings += more
    if query.after is not None:
        wheres.append(f"({order}, key) {sign} (?, ?)")
        bindings += query.after
    turn = "DESC" if query.descending else "ASC"
    columns = ", ".join(["key", *(_shown(one) for one in single)])
    return _sql(
        "SELECT json_group_array(json_array(", columns, ")) FROM (SELECT * FROM entry WHERE",
        " AND ".join(wheres), f"ORDER BY {order} {turn}, key {turn} LIMIT ?)",
    ), (*bindings, query.limit)  # fmt: skip


def counts(declaration: Declaration, by: str, where: Sequence[Condition], limit: int) -> Statement:
    """Return what counts rows by the value of a column."""
    many = {one.name: one for one in declaration.columns if one.many}
    wheres, bindings = ["1"], list[Any]()
    for condition in where:
        text, more = _where(condition, many, is_rare=True)
        wheres.append(text)
        bindings += more
    return _sql(
        "SELECT", by, ", count(*), max(key) FROM entry WHERE", " AND ".join(wheres), "GROUP BY", by,
        "ORDER BY count(*) DESC, max(key) LIMIT ?",
    ), (*bindings, limit)  # fmt: skip


def _put(columns: Sequence[Column]) -> str:
    names = [one.name for one in columns]
    values = ["value->>0", *(_read(one, at) for at, one in enumerate(columns, start=1))]
    updates = ", ".join(f"{name} = excluded.{name}" for name in names)
    return _sql(
        "INSERT INTO entry (", ", ".join([KEY, *names]), ") SELECT", ", ".join(values),
        "FROM json_each(?) WHERE true ON CONFLICT (key) DO",
        f"UPDATE SET {updates}" if names else "NOTHING",
    )  # fmt: skip


def _where(
    condition: Condition, many: Mapping[str, Column], *, is_rare: bool, plus: str = ""
) -> tuple[str, list[Any]]:
    match condition:
        case Between(column=column, least=least, below=below):
            ends = [(">=", least), ("<", below)]
            found = [(f"{plus}{column} {sign} ?", end) for sign, end in ends if end is not None]
            texts = [f"{plus}{column} IS NOT NULL", *(text for text, _ in found)]
            return " AND ".join(texts), [end for _, end in found]
        case OneOf(column=column) if not _is_set(condition, many):
            return _one_of(condition, plus="" if column == KEY else plus)
        case _:
            if not is_rare:
                return _asked_of_each(condition, many)
            keys, bindings = _keys(condition, many)
            return f"key IN ({keys})", list(bindings)


def _gives_keys(condition: Condition, many: Mapping[str, Column]) -> bool:
    if isinstance(condition, OneOf) and condition.column == KEY:
        return len(condition.values) < RARE_ROWS
    return _is_set(condition, many)


def _is_set(condition: Condition, many: Mapping[str, Column]) -> bool:
    return isinstance(condition, AnyOf) or condition.column in many


def _keys(condition: Condition, many: Mapping[str, Column]) -> tuple[str, tuple[Any, ...]]:
    """Return what selects the keys for which a condition holds."""
    parts = condition.conditions if isinstance(condition, AnyOf) else (condition,)
    texts, bindings = list[str](), list[Any]()
    for part in parts:
        if isinstance(part, OneOf) and part.column in many:
            texts.append(_sql("SELECT key FROM", f"many_{part.column}", "WHERE", _LISTED))
            bindings.append(json.dumps(part.values))
        elif isinstance(part, OneOf):
            text, more = _one_of(part)
            texts.append(_sql("SELECT key FROM entry WHERE", text))
            bindings += more
    return " UNION ".join(texts), tuple(bindings)


def _asked_of_each(condition: Condition, many: Mapping[str, Column]) -> tuple[str, list[Any]]:
    """Return the condition as a question about one row, so that the rows stay in their order."""
    texts, bindings = list[str](), list[Any]()
    for part in condition.conditions if isinstance(condition, AnyOf) else (condition,):
        if isinstance(part, OneOf) and part.column in many:
            table = f"many_{part.column}"
            texts.append(
                _sql("EXISTS (SELECT 1 FROM", table, "WHERE", _LISTED, "AND key = entry.key)")
            )
            bindings.append(json.dumps(part.values))
        elif isinstance(part, OneOf):
            text, more = _one_of(part)
            texts.append(text)
            bindings += more
    return f"({' OR '.join(texts)})", bindings


_LISTED = "value IN (SELECT value FROM json_each(?))"


def _one_of(condition: OneOf, *, plus: str = "") -> tuple[str, list[Any]]:
    column = f"{plus}{condition.column}"
    if len(condition.values) == 1:
        return f"{column} IS ?", [condition.values[0]]
    missing = f" OR {column} IS NULL" if None in condition.values else ""
    listed = json.dumps([value for value in condition.values if value is not None])
    is_listed = _sql(column, "IN (SELECT value FROM json_each(?))")
    return f"({is_listed}{missing})", [listed]


def _told(value: Value | None) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _read(column: Column, at: int) -> str:
    return f"unhex(value->>{at})" if column.kind == "bytes" else f"value->>{at}"


def _shown(column: Column) -> str:
    # hex() makes nothing of NULL, and nothing is not the same as no value.
    name = column.name
    return f"iif({name} IS NULL, NULL, hex({name}))" if column.kind == "bytes" else name


def _sql(*parts: str) -> str:
    return " ".join(parts)
