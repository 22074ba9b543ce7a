"""Stores in memory: they last as long as their :class:`MemoryStores`."""

import trio

from persistence.errors import StoreLockedError, StoreUnavailableError
from persistence.limits import check_environment
from persistence.memory.documents import Kept, MemoryDocuments
from persistence.memory.event_log import Gate, MemoryEventLog
from persistence.memory.feed import MemoryFeed
from persistence.memory.ledger import MemoryLedger
from persistence.memory.records_kept import KeptRecords
from persistence.memory.snapshots import MemorySnapshots
from persistence.memory.subject_keys import MemorySubjectKeys
from persistence.memory.views import KeptViews, MemoryViews
from persistence.records import Snapshot, Stream


class _KeptEnvironment:
    """What outlives the Store objects of one environment."""

    def __init__(self) -> None:
        self.records = KeptRecords()
        self.keys: dict[str, bytes] = {}
        self.documents: Kept = {}
        self.views: KeptViews = {}
        self.snapshots: dict[Stream, Snapshot] = {}
        self.ledger: list[bytes] = []
        self.was_run = False
        self.is_running = False


class MemoryStore:
    """One environment's log, feed, keys, documents, snapshots and views."""

    def __init__(self, stores: "MemoryStores", kept: _KeptEnvironment, gate: Gate | None) -> None:
        """Work on ``kept``; only :meth:`MemoryStores.store` calls this."""
        self._stores = stores
        self._kept = kept
        self.feed = MemoryFeed(kept.records)
        self.log = MemoryEventLog(kept.records, self.feed, gate)
        self.subject_keys = MemorySubjectKeys(kept.keys, self.feed.check_open)
        self.documents = MemoryDocuments(kept.documents, self.feed.check_open)
        self.views = MemoryViews(kept.views, self.feed.check_open)
        self.snapshots = MemorySnapshots(kept.snapshots, self.feed.check_open)
        self.ledger = MemoryLedger(kept.ledger, self.feed.check_open)

    async def run(  # noqa: ASYNC128 - the log calls it
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Commit what is submitted until cancelled.

        Raises:
            StoreUnavailableError: The stores are not open, or this environment runs already.
        """
        if not self._stores.is_open or self._kept.is_running:
            message = "the stores are not open, or this environment is running already"
            raise StoreUnavailableError(message)
        self._kept.is_running = self._kept.was_run = True
        try:
            await self.log.run(task_status=task_status)
        finally:
            self._kept.is_running = False


class MemoryStores:
    """Every store, in memory. ``gate`` stands for the disk: it is awaited before each commit."""

    def __init__(self, gate: Gate | None = None) -> None:
        """Start with no environment; an ``OSError`` of ``gate`` is a commit that failed."""
        self.is_open = False
        self._gate = gate
        self._kept: dict[tuple[str, str], _KeptEnvironment] = {}

    async def open(self) -> None:
        """Take the stores.

        Raises:
            StoreLockedError: They are open already.
        """
        await trio.lowlevel.checkpoint()
        if self.is_open:
            message = "these stores in memory are open already; close them first"
            raise StoreLockedError(message)
        self.is_open = True

    def close(self) -> None:
        """Give the stores back; what they hold is kept."""
        self.is_open = False

    async def workspaces(self) -> list[str]:
        """Return the names of the workspaces that have a store, sorted."""
        await trio.lowlevel.checkpoint()
        return sorted({workspace for (workspace, _), kept in self._kept.items() if kept.was_run})

    async def with_ledger(self) -> list[tuple[str, str]]:
        """Return (workspace, environment) of every store whose ledger has an entry, sorted."""
        await trio.lowlevel.checkpoint()
        return sorted(name for name, kept in self._kept.items() if kept.ledger)

    def store(self, workspace: str, environment: str) -> MemoryStore:
        """Return the store of one environment, not yet running."""
        check_environment(workspace, environment)
        kept = self._kept.setdefault((workspace, environment), _KeptEnvironment())
        return MemoryStore(self, kept, self._gate)
