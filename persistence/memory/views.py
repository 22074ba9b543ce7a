"""Views in memory: dictionaries, looked through from end to end."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from persistence.errors import StoreUnavailableError
from persistence.protocols.views import (
    KEY,
    AnyOf,
    Between,
    Change,
    Condition,
    Declaration,
    Group,
    OneOf,
    Query,
    Row,
    Value,
    View,
)
from persistence.view_rules import RowChange, Shape, joined


@dataclass(slots=True)
class _KeptRow:
    values: dict[str, Value | None] = field(default_factory=dict)
    many: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(slots=True)
class KeptView:
    """What outlives the objects that serve it."""

    declaration: Declaration
    epoch: str
    position: int = 0
    rows: dict[str, _KeptRow] = field(default_factory=dict)


KeptViews = dict[str, dict[int, KeptView]]
"""Name → schema → view."""


class MemoryView:
    """One view."""

    def __init__(self, kept: KeptView, check_open: Callable[[], None]) -> None:
        """Work on ``kept``; ``check_open`` raises while the store does not run."""
        self.kept = kept
        self.declaration = kept.declaration
        self.is_closed = False
        self._shape = Shape(kept.declaration)
        self._check_store = check_open

    @property
    def position(self) -> int:
        return self.kept.position

    async def write(self, changes: Sequence[Change], *, position: int) -> None:
        self._shape.check_changes(changes)
        if position < self.kept.position:
            message = f"position {position} lies before {self.kept.position}"
            raise ValueError(message)
        await self._opened()
        for key, change in joined(changes).items():
            self._change(key, change)
        self.kept.position = position

    async def read(self, query: Query) -> list[Row]:
        self._shape.check_query(query)
        await self._opened()
        found = [
            ((row.values[query.order_by], key), row)
            for key, row in self.kept.rows.items()
            if row.values.get(query.order_by) is not None and _holds(query.where, key, row)
        ]
        if query.after is not None:
            behind = query.after
            found = [
                one for one in found if (one[0] < behind if query.descending else one[0] > behind)
            ]
        found.sort(key=lambda one: one[0], reverse=query.descending)
        names = self._shape.single
        return [
            Row(key, {name: row.values.get(name) for name in names})
            for (_, key), row in found[: query.limit]
        ]

    async def counts(
        self, by: str, where: Sequence[Condition] = (), *, limit: int = 200
    ) -> list[Group]:
        self._shape.check_counts(by, where, limit)
        await self._opened()
        found: dict[str | int | None, list[str]] = defaultdict(list)
        for key, row in self.kept.rows.items():
            value = row.values.get(by)
            if not isinstance(value, bytes) and _holds(where, key, row):
                found[value].append(key)
        groups = [Group(value, len(keys), max(keys)) for value, keys in found.items()]
        groups.sort(key=lambda group: (-group.count, group.sample))
        return groups[:limit]

    def _change(self, key: str, change: RowChange) -> None:
        if change.dropped:
            self.kept.rows.pop(key, None)
        if not change.is_put:
            return
        row = self.kept.rows.setdefault(key, _KeptRow())
        row.values.update(change.values)
        for column, values in change.many.items():
            row.many[column] |= {value for value, there in values.items() if there}
            row.many[column] -= {value for value, there in values.items() if not there}

    async def _opened(self) -> None:
        await trio.lowlevel.checkpoint()
        self._check_store()
        if self.is_closed:
            message = "this view is closed"
            raise StoreUnavailableError(message)


class MemoryViews:
    """The views of one environment."""

    def __init__(self, kept: KeptViews, check_open: Callable[[], None]) -> None:
        """Work on ``kept``; ``check_open`` raises while the store does not run."""
        self._kept = kept
        self._check_open = check_open
        self._serving: list[MemoryView] = []

    async def open(self, declaration: Declaration, *, epoch: str, afresh: bool = False) -> View:
        Shape(declaration)
        await trio.lowlevel.checkpoint()
        self._check_open()
        if afresh:
            return self._serve(KeptView(declaration, epoch))
        schemas = self._kept.setdefault(declaration.name, {})
        found = schemas.get(declaration.schema)
        if found is None or found.declaration != declaration or found.epoch != epoch:
            found = schemas[declaration.schema] = KeptView(declaration, epoch)
        return self._serve(found)

    async def older(self, declaration: Declaration, *, epoch: str) -> View | None:
        await trio.lowlevel.checkpoint()
        self._check_open()
        schemas = self._kept.get(declaration.name, {})
        for schema in sorted(schemas, reverse=True):
            if schema != declaration.schema and schemas[schema].epoch == epoch:
                return self._serve(schemas[schema])
        return None

    async def settle(self, view: View) -> View:
        await trio.lowlevel.checkpoint()
        self._check_open()
        kept = next(one.kept for one in self._serving if one is view)
        for one in list(self._serving):
            if one.declaration.name == kept.declaration.name:
                self._close(one)
        self._kept[kept.declaration.name] = {kept.declaration.schema: kept}
        return self._serve(kept)

    async def discard(self, view: View) -> None:
        await trio.lowlevel.checkpoint()
        for one in list(self._serving):
            if one is view:
                self._close(one)

    def _serve(self, kept: KeptView) -> MemoryView:
        view = MemoryView(kept, self._check_open)
        self._serving.append(view)
        return view

    def _close(self, view: MemoryView) -> None:
        view.is_closed = True
        self._serving.remove(view)


def _holds(where: Sequence[Condition], key: str, row: _KeptRow) -> bool:
    return all(_one_holds(condition, key, row) for condition in where)


def _one_holds(condition: Condition, key: str, row: _KeptRow) -> bool:
    match condition:
        case AnyOf(conditions=conditions):
            return any(_one_holds(one, key, row) for one in conditions)
        case Between(column=column, least=least, below=below):
            value = row.values.get(column)
            return value is not None and (
                (least is None or value >= least)  # type: ignore[operator]
                and (below is None or value < below)  # type: ignore[operator]
            )
        case OneOf(column=column, values=values):
            if column == KEY:
                return key in values
            if column in row.many:
                return not row.many[column].isdisjoint(values)
            return row.values.get(column) in values and (column in row.values or None in values)
