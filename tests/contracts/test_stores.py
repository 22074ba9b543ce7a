"""The folder of stores: names, reopening, and one owner at a time."""

import pytest

from persistence.errors import StoreError, StoreLockedError, StoreUnavailableError
from persistence.protocols.store import Stores
from persistence.records import Appended
from tests.support.disks import Disk, running
from tests.support.drafts import stream, write


async def test_a_workspace_is_there_when_one_of_its_stores_has_run(stores: Stores) -> None:
    assert await stores.workspaces() == []
    stores.store("never_run", "live")
    for workspace, environment in [("zebra", "live"), ("acme", "test"), ("acme", "live")]:
        async with running(stores, workspace, environment):
            pass

    assert await stores.workspaces() == ["acme", "zebra"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "a-b", "x" * 65, "a\n", "é"])
async def test_a_name_that_could_not_be_a_folder_is_refused(stores: Stores, name: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        stores.store(name, "live")
    with pytest.raises(ValueError, match="characters"):
        stores.store("acme", name)


async def test_records_survive_reopening_and_numbers_go_on(disk: Disk) -> None:
    await disk.stores.open()
    async with running(disk.stores) as store:
        await store.log.append([write("a", 0, b"1"), write("b", 0, b"2")])
    disk.stores.close()

    await disk.stores.open()
    async with running(disk.stores) as store:
        appended = await store.log.append([write("b", 1, b"3"), write("c", 0, b"4")])
        assert appended == (Appended(stream("b"), 2, 3), Appended(stream("c"), 1, 4))
        assert [record.body for record in await store.feed.read_feed()] == [b"1", b"2", b"3", b"4"]
    disk.stores.close()


async def test_stores_that_are_open_cannot_be_opened_again(stores: Stores) -> None:
    with pytest.raises(StoreLockedError):
        await stores.open()
    async with running(stores) as store:
        await store.log.append([write("a", 0)])


async def test_one_environment_does_not_run_twice_at_once(stores: Stores) -> None:
    async with running(stores) as store:
        with pytest.raises(StoreUnavailableError, match="already"):
            await stores.store("acme", "live").run()
        await store.log.append([write("a", 0)])
    async with running(stores) as store:
        assert await store.log.head(stream("a")) == 1


async def test_a_store_does_not_run_while_the_stores_are_closed(disk: Disk) -> None:
    with pytest.raises(StoreError):
        await disk.stores.store("acme", "live").run()
