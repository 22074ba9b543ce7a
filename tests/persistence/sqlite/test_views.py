"""The files of views: what is broken is thrown away, since it can be built again."""

from pathlib import Path

import pytest

from persistence.protocols.views import Column, Declaration, Put, Query
from persistence.sqlite import SqliteStores
from tests.support.disks import running

EPOCH = "aaaaaaaa"
SHELVES = Declaration("shelves", 1, (Column("height", "integer"),), indexes=(("height",),))


async def fill(stores: SqliteStores, *heights: int) -> None:
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch=EPOCH)
        rows = [Put(f"k{height}", {"height": height}) for height in heights]
        await view.write(rows, position=view.position + 1)


@pytest.mark.parametrize("broken", [b"", b"no database " * 400], ids=["empty", "noise"])
async def test_a_broken_file_begins_anew(tmp_path: Path, broken: bytes) -> None:
    stores = SqliteStores(tmp_path)
    await stores.open()
    await fill(stores, 1, 2)
    file = tmp_path / "acme/live/views/shelves@1.db"
    file.write_bytes(broken)
    async with running(stores) as store:
        view = await store.views.open(SHELVES, epoch=EPOCH)
        assert (view.position, await view.read(Query("height"))) == (0, [])
    await fill(stores, 3)
    stores.close()


async def test_only_the_owner_may_read_a_view_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    stores = SqliteStores(tmp_path)
    await stores.open()
    await fill(stores, 1)
    async with running(stores) as store:
        await store.views.open(SHELVES, epoch=EPOCH)
        fresh = await store.views.open(SHELVES, epoch=EPOCH, afresh=True)
        await store.views.settle(fresh)
        newer = Declaration("shelves", 2, SHELVES.columns)
        await store.views.settle(await store.views.open(newer, epoch=EPOCH))
    folder = tmp_path / "acme/live/views"
    assert [path.name for path in folder.iterdir()] == ["shelves@2.db"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "shelves@2.db").stat().st_mode & 0o777 == 0o600
    stores.close()
