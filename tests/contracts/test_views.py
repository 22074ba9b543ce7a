"""Views: rows and position change together, and queries find what a look at every row finds."""

from typing import Any

import pytest
import trio

from persistence.errors import StoreUnavailableError
from persistence.limits import VIEW_CHANGES_MAX, VIEW_ROWS_MAX, VIEW_VALUES_MAX
from persistence.protocols.store import Store, Stores
from persistence.protocols.views import (
    AnyOf,
    Between,
    Change,
    Column,
    Condition,
    Declaration,
    Drop,
    Group,
    OneOf,
    Put,
    Query,
    Value,
    View,
)
from tests.support.disks import Disk, running

EPOCH = "aaaaaaaa"
SHELVES = Declaration(
    name="shelves",
    schema=1,
    columns=(
        Column("colour"),
        Column("height", "integer"),
        Column("sealed", "bytes"),
        Column("books", many=True),
    ),
    indexes=(("height",), ("colour", "height")),
)


@pytest.fixture
async def view(store: Store) -> View:
    return await store.views.open(SHELVES, epoch=EPOCH)


async def rows(view: View, **query: Any) -> list[tuple[str, dict[str, Value | None]]]:
    found = await view.read(Query(query.pop("order_by", "height"), **query))
    return [(row.key, row.values) for row in found]


async def keys(view: View, *where: Condition, **query: Any) -> list[str]:
    return [key for key, _ in await rows(view, where=where, **query)]


async def test_a_new_view_is_empty_and_stands_before_everything(view: View) -> None:
    assert view.position == 0
    assert view.declaration == SHELVES
    assert await rows(view) == []
    assert await view.counts("colour") == []


async def test_a_row_is_put_and_changed_column_by_column(view: View) -> None:
    put = Put("a", {"colour": "red", "height": 3, "sealed": b"\0\xff"})
    await view.write([put, Put("b", {"height": 5})], position=7)
    assert view.position == 7
    assert await rows(view) == [
        ("a", {"colour": "red", "height": 3, "sealed": b"\0\xff"}),
        ("b", {"colour": None, "height": 5, "sealed": None}),
    ]
    changes = [Put("a", {"height": 9}), Put("b", {"colour": "blue"}), Put("a", {"colour": None})]
    await view.write(changes, position=8)
    assert await rows(view) == [
        ("b", {"colour": "blue", "height": 5, "sealed": None}),
        ("a", {"colour": None, "height": 9, "sealed": b"\0\xff"}),
    ]


async def test_changes_of_one_write_are_made_in_their_order(view: View) -> None:
    await view.write([Put("a", {"height": 1}, added={"books": ("x",)})], position=1)
    await view.write([Drop("a"), Put("a", {"height": 2}), Put("b", {"height": 3})], position=2)
    assert await keys(view, OneOf("books", ("x",))) == []
    assert await keys(view) == ["a", "b"]
    await view.write([Put("a", {"height": 4}), Drop("a"), Drop("nobody")], position=3)
    assert await keys(view) == ["b"]


async def test_a_set_takes_values_and_gives_them_up(view: View) -> None:
    await view.write(
        [
            Put("a", {"height": 1}, added={"books": ("x", "y")}),
            Put("b", {"height": 2}, added={"books": ("y",)}),
        ],
        position=1,
    )
    assert await keys(view, OneOf("books", ("y",))) == ["a", "b"]
    assert await keys(view, OneOf("books", ("x", "y", "z"))) == ["a", "b"]
    moved = [Put("a", removed={"books": ("y",)}), Put("b", added={"books": ("y",)})]
    await view.write(moved, position=2)
    assert await keys(view, OneOf("books", ("y",))) == ["b"]
    assert await keys(view, OneOf("books", ("x",))) == ["a"]
    again = [Put("a", removed={"books": ("x",)}), Put("a", added={"books": ("x",)})]
    await view.write(again, position=3)
    assert await keys(view, OneOf("books", ("x",))) == ["a"]


async def test_rows_without_a_value_to_order_by_are_left_out(view: View) -> None:
    await view.write([Put("a", {"colour": "red"}), Put("b", {"height": 1})], position=1)
    assert await keys(view) == ["b"]
    assert await keys(view, order_by="colour") == ["a"]


async def test_equal_values_are_ordered_by_their_keys_and_pages_leave_none_out(view: View) -> None:
    names = [f"k{number:02}" for number in range(20)]
    await view.write([Put(name, {"height": int(name[1:]) // 7}) for name in names], position=1)
    for descending in (False, True):
        wanted = sorted(names, reverse=descending)
        walked, after = list[str](), None
        while page := await rows(view, descending=descending, limit=3, after=after):
            walked += [key for key, _ in page]
            key, values = page[-1]
            after = (values["height"], key)
        assert walked == wanted


async def test_groups_are_counted_the_largest_first(view: View) -> None:
    colours = ["red", "red", "blue", None, None, None]
    await view.write(
        [Put(f"k{at}", {"colour": one, "height": at}) for at, one in enumerate(colours)], position=1
    )
    assert await view.counts("colour") == [
        Group(None, 3, "k5"),
        Group("red", 2, "k1"),
        Group("blue", 1, "k2"),
    ]
    assert await view.counts("colour", limit=1) == [Group(None, 3, "k5")]
    assert await view.counts("colour", [Between("height", 1, 4)]) == [
        Group("red", 1, "k1"),
        Group("blue", 1, "k2"),
        Group(None, 1, "k3"),
    ]


async def test_a_common_value_is_found_like_a_rare_one(view: View) -> None:
    many = [Put(f"k{at:04}", {"height": at}, added={"books": ("x",)}) for at in range(2_500)]
    some = [Put(f"k{at:04}", added={"books": ("y",)}) for at in range(0, 2_500, 500)]
    await view.write([*many, *some], position=1)
    newest = await keys(view, OneOf("books", ("x",)), descending=True, limit=3)
    assert newest == ["k2499", "k2498", "k2497"]
    assert await keys(view, OneOf("books", ("y",)), descending=True, limit=2) == ["k2000", "k1500"]
    either = AnyOf((OneOf("books", ("x",)), OneOf("height", (3,))))
    assert await keys(view, either, OneOf("books", ("y",)), limit=1) == ["k0000"]
    found = await view.counts("colour", [OneOf("books", ("x",))])
    assert found == [Group(None, 2_500, "k2499")]


@pytest.mark.parametrize(
    "changes",
    [
        [Put("a", {"weight": 1})],
        [Put("a", {"books": "x"})],
        [Put("a", {"height": "3"})],
        [Put("a", {"height": True})],
        [Put("a", {"height": 2**63})],
        [Put("a", {"colour": 3})],
        [Put("a", {"colour": b"red"})],
        [Put("a", {"colour": "r\0d"})],
        [Put("a", {"sealed": "text"})],
        [Put("a", added={"colour": ("red",)})],
        [Put("a", added={"books": ("",)})],
        [Put("")],
        [Put("k" * 201)],
        [Put("a")] * (VIEW_CHANGES_MAX + 1),
    ],
    ids=repr,
)
async def test_a_change_that_was_not_declared_changes_nothing(
    view: View, changes: list[Change]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        await view.write([Put("b", {"height": 1}), *changes], position=1)
    assert view.position == 0
    assert await rows(view) == []


@pytest.mark.parametrize(
    "query",
    [
        Query("books"),
        Query("sealed"),
        Query("weight"),
        Query("height", limit=0),
        Query("height", limit=VIEW_ROWS_MAX + 1),
        Query("height", (OneOf("sealed", ("x",)),)),
        Query("height", (OneOf("books", (None,)),)),
        Query("height", (OneOf("key", (None,)),)),
        Query("height", (OneOf("height", ("3",)),)),
        Query("height", (Between("books", "x"),)),
        Query("height", (AnyOf(()),)),
        Query("height", (OneOf("height", tuple(range(VIEW_VALUES_MAX + 1))),)),
        Query("height", after=("red", "a")),
        Query("height; DROP TABLE place"),
    ],
    ids=lambda query: repr(query)[:80],
)
async def test_a_query_that_no_row_can_answer_is_refused(view: View, query: Query) -> None:
    with pytest.raises(ValueError, match=r"."):
        await view.read(query)


@pytest.mark.parametrize(
    "declaration",
    [
        Declaration("Shelves", 1, ()),
        Declaration("../shelves", 1, ()),
        Declaration("shelves", 0, ()),
        Declaration("shelves", 1, (Column("key"),)),
        Declaration("shelves", 1, (Column("a"), Column("a"))),
        Declaration("shelves", 1, (Column("a b"),)),
        Declaration("shelves", 1, (Column("a", "integer", many=True),)),
        Declaration("shelves", 1, (Column("a"),), indexes=(("b",),)),
    ],
    ids=repr,
)
async def test_a_declaration_that_breaks_a_rule_is_refused(
    store: Store, declaration: Declaration
) -> None:
    with pytest.raises(ValueError, match=r"."):
        await store.views.open(declaration, epoch=EPOCH)


async def test_a_position_never_goes_back(view: View) -> None:
    await view.write([], position=5)
    with pytest.raises(ValueError, match="before"):
        await view.write([Put("a", {"height": 1})], position=4)
    assert await rows(view) == []


async def test_a_view_is_kept_with_its_position(stores: Stores) -> None:
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch=EPOCH)
        await view.write([Put("a", {"height": 1})], position=3)
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch=EPOCH)
        assert (view.position, await keys(view)) == (3, ["a"])


async def test_a_view_of_another_epoch_is_thrown_away(stores: Stores) -> None:
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch=EPOCH)
        await view.write([Put("a", {"height": 1})], position=3)
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch="bbbbbbbb")
        assert (view.position, await keys(view)) == (0, [])


async def test_other_columns_under_the_same_number_begin_anew(stores: Stores) -> None:
    other = Declaration("shelves", 1, (Column("height", "integer"),))
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch=EPOCH)
        await view.write([Put("a", {"height": 1})], position=3)
    async with running(stores) as store:
        view = await store.views.open(other, epoch=EPOCH)
        assert (view.position, await rows(view)) == (0, [])


async def test_an_older_schema_answers_until_the_new_one_is_settled(stores: Stores) -> None:
    newer = Declaration("shelves", 2, (Column("width", "integer"),))
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch=EPOCH)
        await view.write([Put("a", {"height": 1})], position=3)
    async with running(stores) as store:
        built = await store.views.open(newer, epoch=EPOCH)
        older = await store.views.older(newer, epoch=EPOCH)
        assert older is not None
        assert (older.declaration, older.position, await keys(older)) == (SHELVES, 3, ["a"])
        assert await store.views.older(newer, epoch="bbbbbbbb") is None
        await built.write([Put("a", {"width": 9})], position=4)
        settled = await store.views.settle(built)
        assert (settled.position, await keys(settled, order_by="width")) == (4, ["a"])
        assert await store.views.older(newer, epoch=EPOCH) is None
        for gone in (older, built):
            with pytest.raises(StoreUnavailableError):
                await gone.write([], position=9)
    async with running(stores) as store:
        assert (await store.views.open(newer, epoch=EPOCH)).position == 4


async def test_a_view_begun_afresh_takes_the_place_of_the_one_there(store: Store) -> None:
    view = await store.views.open(SHELVES, epoch=EPOCH)
    await view.write([Put("a", {"height": 1})], position=3)
    fresh = await store.views.open(SHELVES, epoch=EPOCH, afresh=True)
    assert (fresh.position, await keys(fresh)) == (0, [])
    await fresh.write([Put("b", {"height": 2})], position=4)
    assert (view.position, await keys(view)) == (3, ["a"])
    settled = await store.views.settle(fresh)
    assert (settled.position, await keys(settled)) == (4, ["b"])
    with pytest.raises(StoreUnavailableError):
        await view.read(Query("height"))


async def test_a_discarded_view_leaves_the_one_there(stores: Stores) -> None:
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch=EPOCH)
        await view.write([Put("a", {"height": 1})], position=3)
        fresh = await store.views.open(SHELVES, epoch=EPOCH, afresh=True)
        await fresh.write([Put("b", {"height": 2})], position=4)
        await store.views.discard(fresh)
        assert (view.position, await keys(view)) == (3, ["a"])
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch=EPOCH)
        assert (view.position, await keys(view)) == (3, ["a"])


async def test_reads_beside_a_write_see_all_of_it_or_nothing(view: View) -> None:
    async with trio.open_nursery() as nursery:

        async def write() -> None:
            for position in range(1, 40):
                changes = [Put(f"k{at}", {"height": position}) for at in range(10)]
                await view.write(changes, position=position)
            nursery.cancel_scope.cancel()

        async def read() -> None:
            while True:
                heights = {values["height"] for _, values in await rows(view)}
                assert len(heights) <= 1

        nursery.start_soon(write)
        nursery.start_soon(read)


async def test_a_closed_store_refuses(stores: Stores, disk: Disk) -> None:
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch=EPOCH)
    with pytest.raises(StoreUnavailableError):
        await view.write([], position=1)
    with pytest.raises(StoreUnavailableError):
        await view.read(Query("height"))
    with pytest.raises(StoreUnavailableError):
        await store.views.open(SHELVES, epoch=EPOCH)
    disk.release()
