"""A data folder, and in it a folder of SQLite files for each environment of each workspace."""

from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from persistence.errors import StoreDamagedError, StoreUnavailableError
from persistence.limits import ENVIRONMENT_NAME, check_environment
from persistence.sqlite.database import DOCUMENTS, KEYS, SNAPSHOTS, translated
from persistence.sqlite.documents import SqliteDocuments
from persistence.sqlite.event_log import SqliteEventLog, read_head
from persistence.sqlite.feed import SqliteFeed
from persistence.sqlite.files import FolderLock, make_folder
from persistence.sqlite.group_commit import GroupCommit, OnCommit, unobserved
from persistence.sqlite.heads import Heads
from persistence.sqlite.ledger import FileLedger
from persistence.sqlite.readers import Readers
from persistence.sqlite.serial_database import SerialDatabase
from persistence.sqlite.snapshots import SqliteSnapshots, ThrowawayDatabase
from persistence.sqlite.subject_keys import SqliteSubjectKeys
from persistence.sqlite.submits import SubmitQueue
from persistence.sqlite.views import SqliteViews
from persistence.sqlite.writer import Writer

LOG_FILE = "log.db"
KEYS_FILE = "keys.db"
VIEWS_FOLDER = "views"
LEDGER_FILE = "erasures.ledger"


class SqliteStore:
    """One environment: ``{log,keys,documents,snapshots}.db``, ``views/`` and a ledger."""

    def __init__(self, stores: "SqliteStores", folder: Path, on_commit: OnCommit) -> None:
        """Use ``folder``; only :meth:`SqliteStores.store` calls this."""
        self._stores = stores
        self._folder = folder
        self._writer = Writer(folder / LOG_FILE)
        self._readers = Readers(folder / LOG_FILE)
        self._keys = SerialDatabase(folder / KEYS_FILE, KEYS)
        self._kept = SerialDatabase(folder / "documents.db", DOCUMENTS)
        self._thrown_away = ThrowawayDatabase(folder / "snapshots.db", SNAPSHOTS)
        heads = Heads(lambda stream: read_head(self._readers, stream))
        queue = SubmitQueue()
        self.feed = SqliteFeed(self._readers)
        self._commits = GroupCommit(self._writer, queue, heads, self.feed, on_commit)
        self.log = SqliteEventLog(self._commits, queue, heads, self._readers)
        self.subject_keys = SqliteSubjectKeys(self._keys)
        self.documents = SqliteDocuments(self._kept)
        self.views = SqliteViews(folder / VIEWS_FOLDER)
        self.snapshots = SqliteSnapshots(self._thrown_away)
        self.ledger = FileLedger(folder / LEDGER_FILE)

    @property
    def records_waiting(self) -> int:
        """How many records were submitted and are not on disk yet."""
        return self._commits.records_waiting

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the files, commit what is submitted until cancelled, and close.

        Raises:
            StoreTooNewError, StoreDamagedError, StoreUnavailableError: It cannot be opened, or
                this environment is running already.
        """
        self._stores.begin(self._folder, self)
        try:
            await trio.to_thread.run_sync(self._open)
            task_status.started()
            await self._commits.run()
        finally:
            try:
                with trio.CancelScope(shield=True):
                    await self._close()
            finally:
                self._stores.end(self._folder)

    def _open(self) -> None:
        with translated(f"the folder {self._folder} cannot be made"):
            make_folder(self._folder)
        log, keys = self._folder / LOG_FILE, self._folder / KEYS_FILE
        had_keys = keys.exists()
        if had_keys and not log.exists():
            raise _torn_apart(kept=keys, missing=log)
        self._commits.open()
        if self.feed.committed() and not had_keys:
            raise _torn_apart(kept=log, missing=keys)
        self.log.begin(self._writer.epoch())
        self._readers.open()
        self._keys.open()
        self._kept.open()
        self.views.begin()
        self._thrown_away.open()
        self.ledger.open()

    async def _close(self) -> None:
        async with AsyncExitStack() as closing:  # each is closed, even if another one fails
            # The last connection: it finds nobody reading, so the whole log can go into the file.
            closing.push_async_callback(trio.to_thread.run_sync, self._writer.close)
            closing.push_async_callback(self._readers.close)
            closing.push_async_callback(self._thrown_away.close)
            closing.push_async_callback(self._kept.close)
            closing.push_async_callback(self._keys.close)
            closing.push_async_callback(self.views.close)
            closing.push_async_callback(self.ledger.close)


class SqliteStores:
    """Every store of one data folder: ``<root>/<workspace>/<environment>/``."""

    def __init__(
        self, root: Path, *, observer: Callable[[str], OnCommit] = lambda _: unobserved
    ) -> None:
        """Use ``root`` once it is open. One process uses it at a time (``<root>/LOCK``).

        ``observer`` returns what hears of the commits of an environment of that name.
        """
        self._observer = observer
        self._root = root
        self._lock = FolderLock(root)
        self._running: dict[Path, SqliteStore] = {}

    async def open(self) -> None:
        """Take the folder, making it if need be.

        Raises:
            StoreLockedError: Another process holds it.
            StoreUnavailableError: It cannot be made or written to.
        """
        await trio.lowlevel.checkpoint()
        self._lock.take()

    def close(self) -> None:
        """Give the folder back. Every store must have stopped before."""
        self._lock.give_back()

    async def workspaces(self) -> list[str]:
        """Return the names of the workspaces that have a store, sorted."""
        return await trio.to_thread.run_sync(self._find_workspaces)

    def _find_workspaces(self) -> list[str]:
        with translated(f"the data folder {self._root} cannot be read"):
            found = {path.parent.parent.name for path in self._root.glob(f"*/*/{LOG_FILE}")}
        return sorted(name for name in found if ENVIRONMENT_NAME.fullmatch(name))

    async def with_ledger(self) -> list[tuple[str, str]]:
        """Return (workspace, environment) of every store whose ledger has an entry, sorted."""
        return await trio.to_thread.run_sync(self._find_ledgers)

    def _find_ledgers(self) -> list[tuple[str, str]]:
        with translated(f"the data folder {self._root} cannot be read"):
            ledgers = [
                file for file in self._root.glob(f"*/*/{LEDGER_FILE}") if file.stat().st_size
            ]
        found = [(file.parent.parent.name, file.parent.name) for file in ledgers]
        return sorted(names for names in found if all(map(ENVIRONMENT_NAME.fullmatch, names)))

    def store(self, workspace: str, environment: str) -> SqliteStore:
        """Return the store of one environment, not yet running; made when it first runs.

        Raises:
            ValueError: A name is not 1 to 64 characters of ``[a-z0-9_]``.
        """
        check_environment(workspace, environment)
        folder = self._root / workspace / environment
        return SqliteStore(self, folder, self._observer(environment))

    def records_waiting(self) -> dict[str, int]:
        """Return how many records wait for the disk, by the name of their environment."""
        found: Counter[str] = Counter()
        for folder, store in self._running.items():
            found[folder.name] += store.records_waiting
        return dict(found)

    def begin(self, folder: Path, store: SqliteStore) -> None:
        """Note that ``store`` runs in ``folder``.

        Raises:
            StoreUnavailableError: It does already, or the data folder is not open.
        """
        if not self._lock.is_held or folder in self._running:
            message = f"{folder}: the data folder is not open, or this store is running already"
            raise StoreUnavailableError(message)
        self._running[folder] = store

    def end(self, folder: Path) -> None:
        """Note that the store in ``folder`` has stopped."""
        self._running.pop(folder, None)


def _torn_apart(*, kept: Path, missing: Path) -> StoreDamagedError:
    """Return the refusal of half a store: no key, and no log, comes again by itself."""
    message = f"{kept} is there but {missing.name} is not: put it back beside it"
    return StoreDamagedError(message)
