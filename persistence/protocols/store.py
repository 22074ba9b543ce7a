"""A Store is all storage of one environment; Stores is the folder (or database) that holds them."""

from typing import Protocol

import trio

from persistence.protocols.documents import Documents
from persistence.protocols.event_log import EventLog
from persistence.protocols.feed import Feed
from persistence.protocols.ledger import Ledger
from persistence.protocols.snapshots import Snapshots
from persistence.protocols.subject_keys import SubjectKeys
from persistence.protocols.views import Views


class Store(Protocol):
    """One environment's log, feed, keys, documents, snapshots and views."""

    @property
    def log(self) -> EventLog:
        """The streams."""

    @property
    def feed(self) -> Feed:
        """The same records, in position order."""

    @property
    def subject_keys(self) -> SubjectKeys:
        """The wrapped keys."""

    @property
    def documents(self) -> Documents:
        """The small documents."""

    @property
    def views(self) -> Views:
        """What is built from the log and can be built again."""

    @property
    def snapshots(self) -> Snapshots:
        """What spares an actor most of its stream when it comes back."""

    @property
    def ledger(self) -> Ledger:
        """What was destroyed, for whoever has an older copy of the rest."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the files, then commit what is submitted until cancelled; close on the way out.

        What was submitted before the cancellation is committed and answered first (shielded).
        Nothing may be called before ``task_status.started()``.

        Raises:
            StoreTooNewError, StoreDamagedError, StoreUnavailableError: The store cannot be opened.
        """


class Stores(Protocol):
    """Every store of one data folder. Only one process holds it at a time."""

    async def open(self) -> None:
        """Take the folder, making it if need be.

        Raises:
            StoreLockedError: Another process holds it.
        """

    def close(self) -> None:
        """Give the folder back."""

    async def workspaces(self) -> list[str]:
        """Return the names of the workspaces that have a store, sorted."""

    async def with_ledger(self) -> list[tuple[str, str]]:
        """Return (workspace, environment) of every store whose ledger has an entry, sorted."""

    def store(self, workspace: str, environment: str) -> Store:
        """Return the store of one environment, not yet running; made when it first runs.

        Both names are 1 to 64 characters of ``[a-z0-9_]``; anything else is a ``ValueError``.
        """
