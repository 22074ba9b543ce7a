"""Whatever is put, dropped and asked: a view finds what a look at every row finds."""

import random
from collections.abc import Sequence
from typing import Any

from persistence.protocols.store import Store
from persistence.protocols.views import (
    AnyOf,
    Between,
    Change,
    Condition,
    Drop,
    OneOf,
    Put,
    Query,
)
from tests.contracts.test_views import EPOCH, SHELVES


async def test_queries_find_what_a_look_at_every_row_finds(store: Store) -> None:
    view = await store.views.open(SHELVES, epoch=EPOCH)
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - what is needed to run it again
    chance = random.Random(seed)
    model: dict[str, tuple[dict[str, Any], set[str]]] = {}
    for position in range(1, 40):
        changes = [_change(chance) for _ in range(chance.randrange(12))]
        _make(model, changes)
        await view.write(changes, position=position)
        for _ in range(8):
            query = _query(chance)
            found = [row.key for row in await view.read(query)]
            assert found == _looked_through(model, query), query
            by = [(one.value, one.count) for one in await view.counts("colour", query.where)]
            assert sorted(by, key=repr) == _counted(model, query.where)


def _change(chance: random.Random) -> Change:
    key = f"k{chance.randrange(12)}"
    if chance.random() < 0.1:
        return Drop(key)
    values: dict[str, Any] = {}
    if chance.random() < 0.6:
        values["colour"] = chance.choice(["red", "blue", "green", None])
    if chance.random() < 0.6:
        values["height"] = chance.choice([1, 2, 3, None])
    books = [chance.choice("xyz") for _ in range(2)]
    return Put(key, values, added={"books": (books[0],)}, removed={"books": (books[1],)})


def _make(model: dict[str, tuple[dict[str, Any], set[str]]], changes: Sequence[Change]) -> None:
    for change in changes:
        if isinstance(change, Drop):
            model.pop(change.key, None)
            continue
        values, books = model.setdefault(change.key, ({}, set()))
        values.update(change.values)
        books -= set(change.removed["books"])
        books |= set(change.added["books"])


def _query(chance: random.Random) -> Query:
    where: list[Condition] = []
    if chance.random() < 0.5:
        some = tuple(chance.sample(["red", "blue", "green", None], chance.randrange(1, 4)))
        where.append(OneOf("colour", some))
    if chance.random() < 0.4:
        where.append(OneOf("books", tuple(chance.sample("xyz", chance.randrange(1, 3)))))
    if chance.random() < 0.3:
        where.append(Between("height", chance.choice([None, 2]), chance.choice([None, 3])))
    if chance.random() < 0.3:
        where.append(AnyOf((OneOf("books", ("x",)), OneOf("colour", ("red",)))))
    if chance.random() < 0.2:
        where.append(OneOf("key", tuple(f"k{chance.randrange(12)}" for _ in range(4))))
    after = (chance.randrange(1, 4), f"k{chance.randrange(12)}") if chance.random() < 0.3 else None
    return Query(
        "height", tuple(where), descending=chance.random() < 0.5, after=after,
        limit=chance.randrange(1, 8),
    )  # fmt: skip


def _matches(key: str, row: tuple[dict[str, Any], set[str]], condition: Condition) -> bool:
    values, books = row
    if isinstance(condition, AnyOf):
        return any(_matches(key, row, one) for one in condition.conditions)
    if isinstance(condition, Between):
        value = values.get(condition.column)
        least, below = condition.least, condition.below
        return value is not None and (
            (least is None or value >= least) and (below is None or value < below)
        )
    if condition.column == "books":
        return bool(books & set(condition.values))
    mine = key if condition.column == "key" else values.get(condition.column)
    return mine in condition.values


def _looked_through(model: dict[str, tuple[dict[str, Any], set[str]]], query: Query) -> list[str]:
    found = sorted(
        (row[0]["height"], key)
        for key, row in model.items()
        if row[0].get("height") is not None and all(_matches(key, row, one) for one in query.where)
    )
    if query.after is not None:
        behind: Any = query.after
        found = [one for one in found if (one < behind if query.descending else one > behind)]
    if query.descending:
        found.reverse()
    return [key for _, key in found[: query.limit]]


def _counted(
    model: dict[str, tuple[dict[str, Any], set[str]]], where: Sequence[Condition]
) -> list[tuple[Any, int]]:
    colours = [
        row[0].get("colour")
        for key, row in model.items()
        if all(_matches(key, row, one) for one in where)
    ]
    return sorted(((one, colours.count(one)) for one in set(colours)), key=repr)
