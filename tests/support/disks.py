"""Stores on disks that a test can stop, or make fail, at the moment of a commit."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

import apsw
import trio

from persistence.memory import MemoryStores
from persistence.protocols.store import Store, Stores
from persistence.records import StoredRecord
from persistence.sqlite import SqliteStores

HELD_SECONDS_MAX = 20
"""A commit that a broken test never releases goes on after this."""


class Disk(Protocol):
    """A place for stores whose commits can be held."""

    @property
    def stores(self) -> Stores:
        """The stores on this disk."""

    def hold(self) -> None:
        """Let the next commit wait for :meth:`release`."""

    async def wait_held(self) -> None:
        """Return when a commit waits."""

    def release(self, *, failing: bool = False) -> None:
        """Let the commit that waits go on, or fail."""


class MemoryDisk:
    """Memory behind a gate."""

    def __init__(self) -> None:
        """Start with the gate open."""
        self.stores = MemoryStores(self._gate)
        self._held, self._released = trio.Event(), trio.Event()
        self._is_holding = False
        self._failing = False

    def hold(self) -> None:
        """Let the next commit wait for :meth:`release`."""
        self._is_holding = True
        self._held, self._released = trio.Event(), trio.Event()

    async def wait_held(self) -> None:
        """Return when a commit waits."""
        await self._held.wait()

    def release(self, *, failing: bool = False) -> None:
        """Let the commit that waits go on, or fail."""
        self._failing = failing
        self._released.set()

    async def _gate(self) -> None:
        await trio.lowlevel.checkpoint()
        if not self._is_holding:
            return
        self._is_holding = False
        self._held.set()
        await self._released.wait()
        if self._failing:
            message = "the disk is gone"
            raise OSError(message)


class SqliteDisk:
    """SQLite files whose commits pass a hook of ours, in the thread that commits."""

    def __init__(self, root: Path) -> None:
        """Keep the stores in ``root``."""
        self.stores = SqliteStores(root)
        self._held, self._released = trio.Event(), threading.Event()
        self._is_holding = False
        self._failing = False

    def hold(self) -> None:
        """Let the next commit of a log wait for :meth:`release`."""
        self._is_holding = True
        self._held, self._released = trio.Event(), threading.Event()
        self._token = trio.lowlevel.current_trio_token()

    async def wait_held(self) -> None:
        """Return when a commit waits."""
        await self._held.wait()

    def release(self, *, failing: bool = False) -> None:
        """Let the commit that waits go on, or fail."""
        self._failing = failing
        self._released.set()

    def watch(self, connection: apsw.Connection) -> None:
        """Stand in the way of the commits of ``connection`` if it writes a log."""
        if connection.filename.endswith("log.db") and not connection.readonly("main"):
            connection.set_commit_hook(self._on_commit)

    def _on_commit(self) -> bool:
        if not self._is_holding:
            return False
        self._is_holding = False
        self._token.run_sync_soon(self._held.set)
        self._released.wait(HELD_SECONDS_MAX)
        return self._failing


@contextmanager
def sqlite_disk(root: Path) -> Iterator[SqliteDisk]:
    """Return a disk that watches every connection opened meanwhile."""
    disk = SqliteDisk(root)
    apsw.connection_hooks.append(disk.watch)
    try:
        yield disk
    finally:
        apsw.connection_hooks.remove(disk.watch)


@asynccontextmanager
async def running(
    stores: Stores, workspace: str = "acme", environment: str = "live"
) -> AsyncIterator[Store]:
    """Run one store of ``stores``, which are open, until the block is left."""
    async with trio.open_nursery() as nursery:
        store = stores.store(workspace, environment)
        await nursery.start(store.run)
        yield store
        nursery.cancel_scope.cancel()


async def everything(store: Store) -> list[StoredRecord]:
    """Return the whole log."""
    records: list[StoredRecord] = []
    while page := await store.feed.read_feed(after=len(records)):
        records += page
    return records
