"""The composition root: puts a node together. The only module that names a backend."""

from importlib.metadata import version

import trio

from engine.engine import Engine
from gateway import master_key
from gateway.api import APIS
from gateway.config import Settings, check_tls
from gateway.dispatch import Dispatcher
from gateway.http import openapi
from gateway.realtime.hub import Hubs
from gateway.routing import RouteTable
from gateway.streams.open_streams import OpenStreams
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
        self.settings = settings
        self.master_key = _master_key(settings)
        self.engine = Engine(stores or _stores(settings), master_key=self.master_key)
        self.table = RouteTable(APIS)
        self.streams = OpenStreams()
        self.hubs = Hubs()
        self.dispatcher = Dispatcher(self.engine, self.table, streams=self.streams, hubs=self.hubs)
        self.stopping = trio.Event()
        openapi.publish(APIS, version=version("parley"))

    def stop(self) -> None:
        """Begin to stop: sockets are said goodbye to, streams end, servers take no more."""
        self.stopping.set()
        self.streams.finish()


def _stores(settings: Settings) -> Stores:
    if settings.store == "memory":
        return MemoryStores()
    return SqliteStores(settings.data)


def _master_key(settings: Settings) -> bytes:
    if settings.master_key_file is not None:
        return master_key.read(settings.master_key_file)
    return master_key.read_or_make(settings.data)
