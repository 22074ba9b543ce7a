"""Every test of this folder runs once for each backend."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from persistence.protocols.store import Store, Stores
from tests.support.disks import Disk, MemoryDisk, running, sqlite_disk


@pytest.fixture(params=["memory", "sqlite"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """Where the stores are; its commits can be held."""
    if request.param == "memory":
        yield MemoryDisk()
    else:
        with sqlite_disk(tmp_path / "data") as disk:
            yield disk


@pytest.fixture
async def stores(disk: Disk) -> AsyncIterator[Stores]:
    """Open stores without any environment."""
    await disk.stores.open()
    yield disk.stores
    disk.stores.close()


@pytest.fixture
async def store(stores: Stores, disk: Disk) -> AsyncIterator[Store]:
    """One environment, running."""
    async with running(stores) as store:
        try:
            yield store
        finally:
            disk.release()  # a test that fails leaves no commit waiting, which could not end
