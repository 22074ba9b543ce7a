"""The engine: every workspace of one data folder, under one nursery.

It opens an environment when it is first used and knows every credential. When it ends, actors take
no more work, and every store first commits and answers what was submitted to it.
"""

import trio

from engine import crypto, ids
from engine.actor.watchdog import Watchdog
from engine.auth import tokens
from engine.auth.scopes import ENVIRONMENT_SCOPES, WORKSPACE_SCOPES
from engine.auth.service import Credentials, unknown
from engine.environment import Environment
from engine.errand import in_task
from engine.errors import ActorStoppedError, StorageError
from engine.limits import TOKEN_CHARACTERS_MAX
from engine.principal import Principal
from engine.workspace_keys import WorkspaceKeys
from persistence.errors import StoreUnavailableError
from persistence.protocols.store import Store, Stores

WORKSPACE = "workspace"
ENVIRONMENTS = ("live", "test")


class Engine:
    """Everything that happens, for one process."""

    def __init__(self, stores: Stores, *, master_key: bytes) -> None:
        """Hold ``stores`` while running; open workspaces with the 32-byte ``master_key``."""
        self._stores = stores
        self._workspace_keys = WorkspaceKeys(master_key)
        self._environments: dict[tuple[str, str], Environment] = {}
        self._opening = trio.Lock()
        self._nursery: trio.Nursery | None = None
        self._watchdog = Watchdog()
        self.credentials = Credentials()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take the data folder and serve until cancelled. Any failure of a store ends it.

        Raises:
            StoreLockedError, StoreTooNewError, StoreDamagedError: the folder cannot be served.
        """
        await self._stores.open()
        try:
            async with trio.open_nursery() as self._nursery:
                await self._nursery.start(self._watchdog.run)
                for workspace in await self._stores.workspaces():
                    await self.environment(workspace, WORKSPACE)
                await self._workspace_keys.settle()
                for workspace, name in await self._stores.with_ledger():
                    await self.environment(workspace, name)  # an erasure may not be done there yet
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            self._stores.close()

    async def create_workspace(self, name: str | None = None) -> str:
        """Make a tenant, called ``name`` if it is given one, and return its id (``ws_…``)."""
        workspace = ids.type_id(ids.WORKSPACE, ids.new_uuid())
        home = await self.environment(workspace, WORKSPACE)
        if name is not None:
            await home.keys.name_workspace(workspace, name)
        return workspace

    async def rotate_master(self, new: bytes) -> int:
        """Let the 32 bytes ``new`` be the master key, while everything goes on; see ``rotate``.

        Raises:
            ConflictError, StorageError, OutcomeUnknownError: see :meth:`WorkspaceKeys.rotate`.
        """
        async with self._opening:
            return await self._workspace_keys.rotate(new)

    async def workspaces(self) -> list[str]:
        """Return the ids of all tenants, oldest first."""
        return await self._stores.workspaces()

    async def environment(self, workspace: str, name: str) -> Environment:
        """Return an environment, opened on first use."""
        found = self._environments.get((workspace, name))
        if found is not None:
            return found
        await in_task()
        # Whoever asked first may leave while it opens: the others still want it.
        with trio.CancelScope(shield=True):
            async with self._opening:
                found = self._environments.get((workspace, name))
                opened = found or await self._open_again(workspace, name)
        return opened

    def opened(self) -> tuple[Environment, ...]:
        """Return the environments that were used since the start."""
        return tuple(self._environments.values())

    async def ready(self) -> bool:
        """Say whether every open store answers a read."""
        if self._nursery is None:
            return False
        for environment in self.opened():
            await environment.log.read_feed(after=0, limit=1)
        return True

    async def authenticate(self, text: str) -> Principal:
        """Return what a credential stands for.

        Raises:
            UnauthenticatedError: it is not known, forged, expired or revoked.
        """
        if len(text) > TOKEN_CHARACTERS_MAX:
            raise unknown()
        credential = self.credentials.find(text)
        if credential is None:
            return await self._ephemeral(text)
        return credential.principal

    async def create_key(
        self, workspace: str, environment: str, *, name: str, entropy: bytes | None = None
    ) -> str:
        """Make a secret key with every scope of its environment, and return it.

        With ``entropy`` the same key comes again; it is made only if it is not known yet.
        """
        entropy = entropy or crypto.new_key()
        text = tokens.secret_key(environment, entropy)
        if self.credentials.find(text) is None:
            home = await self.environment(workspace, WORKSPACE)
            scopes = WORKSPACE_SCOPES if environment == WORKSPACE else ENVIRONMENT_SCOPES
            await home.keys.create(
                name=name, environment=environment, scopes=scopes, entropy=entropy
            )
        return text

    async def _ephemeral(self, text: str) -> Principal:
        parts = tokens.ephemeral_parts(text)
        parent = self.credentials.by_id(parts[1].parent) if parts else None
        if parts is None or parent is None or parent.workspace != parts[1].workspace:
            raise unknown()
        name, claims, signed = parts
        environment = await self.environment(parent.workspace, name)
        return environment.ephemeral_keys.check(claims, signed, parent)

    async def _open_again(self, workspace: str, name: str) -> Environment:
        """Open, so that a store that is busy for a while may be asked again."""
        try:
            return await self._open(workspace, name)
        except StoreUnavailableError as error:
            detail = "the store cannot be opened right now; try again"
            raise StorageError(detail) from error

    async def _open(self, workspace: str, name: str) -> Environment:
        nursery = self._nursery
        if nursery is None:
            detail = "the server is stopping; try again"
            raise ActorStoppedError(detail)
        store, running = self._stores.store(workspace, name), trio.CancelScope()
        await nursery.start(_run_within, running, store)
        try:
            key = await self._workspace_keys.open(workspace, store.subject_keys)
            environment = Environment(
                workspace, name, store, workspace_key=key, watchdog=self._watchdog
            )
            await environment.start(nursery)
            if name == WORKSPACE:
                await nursery.start(self.credentials.follow, workspace, environment.bus)
        except BaseException:
            running.cancel()  # a store that nobody knows of would be in the way of the next try
            raise
        self._environments[workspace, name] = environment
        return environment


async def _run_within(  # noqa: ASYNC128 - the store calls it
    scope: trio.CancelScope,
    store: Store,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a store until its own scope, or the engine, is cancelled."""
    with scope:
        await store.run(task_status=task_status)
