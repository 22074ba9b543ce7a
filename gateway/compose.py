"""The composition root: puts a node together. The only module that names a backend."""

from collections.abc import Callable, Mapping
from importlib.metadata import version

import trio

from engine.engine import Engine
from gateway import master_key
from gateway.api import APIS, openapi
from gateway.config import Settings, check_proxies, check_tls
from gateway.dispatch import Dispatcher
from gateway.fanout.switchboard import Switchboard
from gateway.metrics.commits import CommitTally
from gateway.metrics.exposition import Exposition
from gateway.metrics.reading import Sources, nothing_known
from gateway.routing import RouteTable
from persistence.memory.store import MemoryStores
from persistence.protocols.store import Stores
from persistence.sqlite.store import SqliteStores


class Node:
    """One process' engine and doors, wired but not running."""

    def __init__(self, settings: Settings, *, stores: Stores | None = None) -> None:
        """Read the master key; open nothing yet. ``stores`` stand in for those of ``settings``.

        Raises:
            UnsafeSettingsError: the master key cannot be used, or TLS is half set up.
        """
        check_tls(settings)
        check_proxies(settings)
        self.settings = settings
        self.master_key = _master_key(settings)
        commits = CommitTally()
        kept = stores or _stores(settings, commits)
        self.engine = Engine(kept, master_key=self.master_key)
        self.table = RouteTable(APIS)
        self.switchboard = Switchboard(sessions_per_key=settings.max_connections_per_key)
        self.metrics = Sources(
            version=version("parley"),
            engine=self.engine,
            switchboard=self.switchboard,
            commits=commits,
            records_waiting=_records_waiting(kept),
        )
        self.dispatcher = Dispatcher(
            self.engine,
            self.table,
            switchboard=self.switchboard,
            exposition=Exposition(self.metrics),
        )
        self.stopping = trio.Event()
        openapi.publish(APIS, version=self.metrics.version)

    def stop(self) -> None:
        """Begin to stop: sockets are said goodbye to, streams end, servers take no more."""
        self.stopping.set()


def _stores(settings: Settings, commits: CommitTally) -> Stores:
    if settings.store == "memory":
        return MemoryStores()
    return SqliteStores(settings.data, observer=lambda environment: commits.of(environment).ended)


def _records_waiting(stores: Stores) -> Callable[[], Mapping[str, int]]:
    return stores.records_waiting if isinstance(stores, SqliteStores) else nothing_known


def _master_key(settings: Settings) -> bytes:
    if settings.master_key_file is not None:
        return master_key.read(settings.master_key_file)
    return master_key.read_or_make(settings.data)
