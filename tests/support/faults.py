"""Stores of which single calls fail while a test wants it: a disk that does not answer."""

from dataclasses import dataclass, field
from typing import Any

from persistence.errors import StoreUnavailableError
from persistence.protocols.store import Store, Stores


class FaultyPart:
    """A part of a store; the calls named in ``failing`` fail instead of being made."""

    def __init__(self, part: Any, failing: set[str]) -> None:
        self._part = part
        self._failing = failing

    def __getattr__(self, name: str) -> Any:
        return self._fail if name in self._failing else getattr(self._part, name)

    async def _fail(self, *_: Any, **__: Any) -> None:
        message = "the disk does not answer"
        raise StoreUnavailableError(message)


class FaultyKeys(FaultyPart):
    """Keys that cannot be destroyed; they are made and read all the same."""

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name) if name == "destroy" else getattr(self._part, name)


class FaultyStore:
    """A store of which every part but the keys may fail, and the end of its keys."""

    def __init__(self, store: Store, failing: set[str]) -> None:
        self.log: Any = FaultyPart(store.log, failing)
        self.feed: Any = FaultyPart(store.feed, failing)
        self.documents: Any = FaultyPart(store.documents, failing)
        self.snapshots: Any = FaultyPart(store.snapshots, failing)
        self.ledger: Any = FaultyPart(store.ledger, failing)
        self.subject_keys: Any = FaultyKeys(store.subject_keys, failing)
        self.views: Any = FaultyPart(store.views, failing)
        self.run = store.run


@dataclass
class FaultyStores:
    """Stores that work but for the calls named in ``failing``."""

    stores: Stores
    failing: set[str] = field(default_factory=set)

    async def open(self) -> None:
        await self.stores.open()

    def close(self) -> None:
        self.stores.close()

    async def workspaces(self) -> list[str]:
        return await self.stores.workspaces()

    async def with_ledger(self) -> list[tuple[str, str]]:
        return await self.stores.with_ledger()

    def store(self, workspace: str, environment: str) -> Store:
        return FaultyStore(self.stores.store(workspace, environment), self.failing)
