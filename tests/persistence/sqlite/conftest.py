"""Stores in a folder of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from persistence.sqlite import SqliteStores


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the data folder, not made yet."""
    return tmp_path / "data"


@pytest.fixture
async def stores(root: Path) -> AsyncIterator[SqliteStores]:
    """Open stores without any environment."""
    stores = SqliteStores(root)
    await stores.open()
    yield stores
    stores.close()
