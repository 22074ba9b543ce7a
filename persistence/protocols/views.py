"""Views: tables built from the log, which can be thrown away and built again from it.

A view is declared as data and knows no domain word. Its rows and the *position* of the log they
rest on change in one transaction, so that they agree whenever the process or the machine ends. What
is stored is ids, hashes and ciphertext: nothing that a person wrote or is called.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

ColumnKind = Literal["text", "integer", "bytes"]
Value = str | int | bytes
Place = tuple[str | int, str]
"""Value of the column that orders, and key: where a page ended."""

KEY = "key"
"""The name by which conditions speak of a row's key."""


class Column(msgspec.Struct, frozen=True):
    """One column of a view."""

    name: str
    kind: ColumnKind = "text"
    """``bytes`` is for what is sealed: it is given back, and no condition may name it."""
    many: bool = False
    """Whether a row has a set of values; always texts, always indexed, never given back."""


class Declaration(msgspec.Struct, frozen=True):
    """What a view is made of. Another set of columns is another ``schema``: nothing is migrated."""

    name: str
    """1 to 32 of ``[a-z0-9_]``, a letter first; it is part of a file's name."""
    schema: int
    columns: tuple[Column, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    """Columns that are looked up together, the one that orders last; the key follows by itself."""


class Put(msgspec.Struct, frozen=True):
    """Make the row if it is not there, and set these columns of it; the others stay."""

    key: str
    values: Mapping[str, Value | None] = msgspec.field(default_factory=dict)
    added: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Column with many values → values that are in the set from now on."""
    removed: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Column with many values → values that are not; taken out before others are put in."""


class Drop(msgspec.Struct, frozen=True):
    """Remove the row, if it is there."""

    key: str


Change = Put | Drop


class OneOf(msgspec.Struct, frozen=True):
    """The column, or one of its many values, or the key, is one of these."""

    column: str
    values: tuple[str | int | None, ...]
    """``None`` = the column is not set; a column with many values is never asked for it."""


class Between(msgspec.Struct, frozen=True):
    """``least <= column < below``; an end that is ``None`` is open."""

    column: str
    least: str | int | None = None
    below: str | int | None = None


class AnyOf(msgspec.Struct, frozen=True):
    """One of these holds, or several."""

    conditions: tuple[OneOf, ...]


Condition = OneOf | Between | AnyOf


class Query(msgspec.Struct, frozen=True):
    """Which rows, and in which order. Rows without a value to order by are left out."""

    order_by: str
    where: tuple[Condition, ...] = ()
    descending: bool = False
    """Turns both around: the column that orders, and the key behind it."""
    after: Place | None = None
    limit: int = 50


class Row(msgspec.Struct, frozen=True):
    """A row with its single values; a column that is not set is ``None``."""

    key: str
    values: dict[str, Value | None]


class Group(msgspec.Struct, frozen=True):
    """The rows that share one value."""

    value: str | int | None
    count: int
    sample: str
    """The largest key among them."""


class View(Protocol):
    """One view, open. Every call but the properties runs beside the loop.

    Raises, by every call: ``StoreUnavailableError`` (the disk does not answer, or it is closed),
    ``StoreDamagedError`` (the file is broken: throw it away).
    """

    @property
    def declaration(self) -> Declaration:
        """What it is made of; of a file of another schema, as the file says itself."""

    @property
    def position(self) -> int:
        """The position of the log that its rows rest on; 0 for a new one."""

    async def write(self, changes: Sequence[Change], *, position: int) -> None:
        """Make the changes, in their order, and move to ``position``: all of it or nothing.

        It may be lost with the last seconds before a power cut, but never in part.

        Cancellation: a write that has begun is shielded.

        Raises:
            ValueError: a position below the present one, a column that is not declared, a value of
                another type, or more than a bound of ``persistence.limits`` allows.
        """

    async def read(self, query: Query) -> list[Row]:
        """Return at most ``query.limit`` rows (1 to ``VIEW_ROWS_MAX``).

        Raises:
            ValueError: a column that is not declared or not to be asked for, or a broken bound.
        """

    async def counts(
        self, by: str, where: Sequence[Condition] = (), *, limit: int = 200
    ) -> list[Group]:
        """Return how many rows have each value of the column ``by``, the largest groups first.

        Raises:
            ValueError: as :meth:`read`.
        """


class Views(Protocol):
    """The views of one environment."""

    async def open(self, declaration: Declaration, *, epoch: str, afresh: bool = False) -> View:
        """Open a view where it was left; one that is missing begins empty, at position 0.

        What is there and does not fit is thrown away: a broken file, one of another epoch of the
        log, one whose columns were changed under the same number.

        Args:
            declaration: of the view.
            epoch: of the log it is built from.
            afresh: begin an empty one beside the one that is there, which goes on answering until
                :meth:`settle`. Only one is begun at a time: one that was not settled is lost.

        Raises:
            StoreUnavailableError: the disk does not answer, or the store is closed.
            ValueError: the declaration breaks a rule.
        """

    async def older(self, declaration: Declaration, *, epoch: str) -> View | None:
        """Open the newest file of this name with another schema, only to be read; if there is one.

        One that does not fit is left alone and counts as none.
        """

    async def settle(self, view: View) -> View:
        """Close and remove every other view of this name; return it, in its place for good.

        The view that is handed in must not be used any more.
        """

    async def discard(self, view: View) -> None:
        """Close a view that was begun ``afresh`` and remove it; harmless when it is closed."""
