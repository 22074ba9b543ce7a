"""The members of a struct, told for people: types, limits and what the class says of each."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import inspect as shapes

from gateway.reference import markdown

HEAD = ("member", "type", "limits", "")

_WORDS: dict[type[shapes.Type], str] = {
    shapes.AnyType: "anything",
    shapes.BoolType: "boolean",
    shapes.DictType: "object",
    shapes.FloatType: "number",
    shapes.IntType: "integer",
    shapes.NoneType: "null",
    shapes.RawType: "anything",
    shapes.StrType: "string",
}
_LISTS = (shapes.ListType, shapes.SetType, shapes.FrozenSetType, shapes.VarTupleType)


def members(kind: type[msgspec.Struct], *, asked: bool = False, is_query: bool = False) -> str:
    """Return the table of a struct's members; nothing when it has none.

    What is ``asked`` of a client also says what happens when it is left out, and a query can leave
    out a value but not send ``null``.
    """
    told = dict(_told(kind))
    rows = [
        (
            markdown.code(field.encode_name),
            _words(field, is_query=is_query),
            "; ".join(dict.fromkeys(limit for one in _plain(field.type) for limit in _limits(one))),
            _said(field, told.get(field.name, ""), asked=asked),
        )
        for field in _fields(kind)
    ]
    return markdown.table(HEAD, rows) if rows else ""


def link(kind: type[msgspec.Struct]) -> str:
    """Return a link to where the members of a struct stand."""
    return f"[{kind.__name__}](shapes.md#{kind.__name__.lower()})"


def structs_in(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield the structs a type is made of, itself first, each once."""
    seen: dict[type[msgspec.Struct], None] = {}
    _collect(shapes.type_info(kind), seen)
    yield from seen


def _fields(kind: type[msgspec.Struct]) -> tuple[shapes.Field, ...]:
    info = shapes.type_info(kind)
    return info.fields if isinstance(info, shapes.StructType) else ()


def _words(field: shapes.Field, *, is_query: bool) -> str:
    kinds = _plain(field.type)
    words = [_word(one) for one in kinds if not (is_query and isinstance(one, shapes.NoneType))]
    return " or ".join(dict.fromkeys(words))


def _said(field: shapes.Field, told: str, *, asked: bool) -> str:
    default = _default(field) if asked else ""
    return markdown.sentences([_description(field.type), markdown.prose(told), default])


def _default(field: shapes.Field) -> str:
    """Say what leaving the member out means; without a value of its own (``UNSET``), nothing."""
    if field.required:
        return ""
    made = field.default_factory is not msgspec.NODEFAULT
    value = field.default_factory() if made else field.default
    if value is None or value is msgspec.NODEFAULT:
        return "May be left out."
    return f"Left out: {markdown.code(msgspec.json.encode(value).decode())}."


def _plain(info: shapes.Type) -> Iterator[shapes.Type]:
    """Yield what a member may be: every branch of a union, without what is said about it."""
    if isinstance(info, shapes.Metadata):
        yield from _plain(info.type)
    elif isinstance(info, shapes.UnionType):
        for one in info.types:
            yield from _plain(one)
    else:
        yield info


def _description(info: shapes.Type) -> str:
    if isinstance(info, shapes.Metadata):
        extra = info.extra_json_schema or {}
        return str(extra.get("description", "")) or _description(info.type)
    if isinstance(info, shapes.UnionType):
        return next(filter(None, map(_description, info.types)), "")
    return ""


def _word(info: shapes.Type) -> str:
    match info:
        case shapes.LiteralType(values=values):
            return " or ".join(markdown.code(str(value)) for value in values)
        case shapes.StructType(cls=cls):
            return link(cls)
        case shapes.ListType() | shapes.SetType() | shapes.FrozenSetType() | shapes.VarTupleType():
            return "array of " + " or ".join(_word(one) for one in _plain(info.item_type))
        case _:
            return _WORDS.get(type(info), type(info).__name__.removesuffix("Type").lower())


def _limits(info: shapes.Type) -> Iterator[str]:
    match info:
        case shapes.IntType() | shapes.FloatType():
            yield from _range(_low(info), _high(info), "")
        case shapes.StrType():
            yield from _range(info.min_length, info.max_length, " characters")
            if info.pattern:
                yield f"matches {markdown.code(info.pattern)}"
        case shapes.ListType() | shapes.SetType() | shapes.FrozenSetType() | shapes.VarTupleType():
            yield from _range(info.min_length, info.max_length, " items")
            for one in _plain(info.item_type):
                yield from (f"each {limit}" for limit in _limits(one))
        case _:
            return


def _low(info: shapes.IntType | shapes.FloatType) -> float | None:
    return info.ge if info.gt is None else info.gt


def _high(info: shapes.IntType | shapes.FloatType) -> float | None:
    return info.le if info.lt is None else info.lt


def _range(low: float | None, high: float | None, unit: str) -> Iterator[str]:
    if low is not None and high is not None:
        yield f"{low:,} to {high:,}{unit}"
    elif high is not None:
        yield f"at most {high:,}{unit}"
    elif low == 1 and unit:
        yield "not empty"
    elif low is not None:
        yield f"at least {low:,}{unit}"


def _collect(info: shapes.Type, seen: dict[type[msgspec.Struct], None]) -> None:
    for one in _plain(info):
        if isinstance(one, shapes.StructType):
            if one.cls not in seen:
                seen[one.cls] = None
                for field in one.fields:
                    _collect(field.type, seen)
        elif isinstance(one, _LISTS):
            _collect(one.item_type, seen)
        elif isinstance(one, shapes.DictType):
            _collect(one.value_type, seen)


def _told(kind: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """Yield what stands as a string behind each member of a class and of those it extends."""
    for one in reversed(kind.__mro__):
        if one is msgspec.Struct or not issubclass(one, msgspec.Struct):
            continue
        [definition] = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        body = definition.body if isinstance(definition, ast.ClassDef) else []
        for member, behind in pairwise(body):
            if (
                isinstance(member, ast.AnnAssign)
                and isinstance(member.target, ast.Name)
                and isinstance(behind, ast.Expr)
                and isinstance(behind.value, ast.Constant)
            ):
                yield member.target.id, str(behind.value.value)
