"""Checks credentials and makes them (shell)."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import trio

from engine import crypto, ids
from engine.actor.outcome import Origin
from engine.actor.registry import Registry
from engine.auth import tokens
from engine.auth.commands import CreateKey, CreateWorkspace
from engine.auth.events import KeyCreated, WorkspaceCreated
from engine.auth.scopes import check_delegated
from engine.bus.bus import Bus
from engine.errand import in_task
from engine.errors import (
    ForbiddenError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    UnauthenticatedError,
)
from engine.limits import SEALED_RECEIPT_SECONDS
from engine.log.event import Event
from engine.log.log import store_failures
from engine.principal import Principal
from persistence.protocols.documents import Documents
from persistence.records import Stream


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret key as the table in memory knows it."""

    id: str
    workspace: str
    environment: str
    name: str
    hint: str
    """The last four characters of the key."""
    created_ms: int
    """Unix milliseconds."""
    principal: Principal
    """Who asks with it: the same for every request."""


class Credentials:
    """Every secret key of the installation by the SHA-256 of its text; folded from the logs.

    The names of the workspaces stand on the same logs, so they are folded here too.
    """

    def __init__(self) -> None:
        """Start without a key."""
        self._by_hash: dict[str, Credential] = {}
        self._by_id: dict[str, Credential] = {}
        self._names: dict[str, str] = {}

    def find(self, text: str) -> Credential | None:
        """Return the credential whose secret key is ``text``."""
        return self._by_hash.get(tokens.hashed(text))

    def by_id(self, key_id: str) -> Credential | None:
        """Return a living credential by its id."""
        return self._by_id.get(key_id)

    def of_workspace(self, workspace: str) -> list[Credential]:
        """Return the keys of one workspace, oldest first."""
        found = (one for one in self._by_id.values() if one.workspace == workspace)
        return sorted(found, key=lambda one: (one.created_ms, one.id))

    def name_of(self, workspace: str) -> str | None:
        """Return the name a workspace was made with; ``None`` if it was given none."""
        return self._names.get(workspace)

    def fold(self, workspace: str, event: Event) -> None:
        """Take notice of one event of a workspace's log."""
        if isinstance(event.payload, KeyCreated):
            key = event.payload
            credential = Credential(
                id=key.id,
                workspace=workspace,
                environment=key.environment,
                name=key.name,
                hint=key.hint,
                created_ms=event.time_ms,
                principal=Principal(
                    workspace=workspace,
                    environment=key.environment,
                    key_id=key.id,
                    subject=key.id,
                    scopes=frozenset(key.scopes),
                    staff=True,
                ),
            )
            self._by_hash[key.sha256] = credential
            self._by_id[key.id] = credential
        elif isinstance(event.payload, WorkspaceCreated):
            self._names[workspace] = event.payload.name

    async def follow(
        self,
        workspace: str,
        bus: Bus,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Fold a workspace's log from its beginning, then every commit as it happens."""

        def sink(event: Event) -> bool:
            self.fold(workspace, event)
            return True

        def wake() -> None:
            lagging.set()

        lagging = trio.Event()
        follower = bus.follow_all(sink, after=0, wake=wake)
        while True:
            lagging = trio.Event()
            while await follower.catch_up():
                pass
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await lagging.wait()


class KeyMaker:
    """Makes the secret keys of one workspace, through the credential actors of its log."""

    def __init__(self, registry: Registry) -> None:
        """Ask the actors of ``registry``."""
        self._registry = registry

    async def create(
        self, *, name: str, environment: str, scopes: frozenset[str], entropy: bytes
    ) -> str:
        """Make a key known and return its text: the only time anybody sees it.

        Args:
            name: for people.
            environment: ``live``, ``test`` or ``workspace``.
            scopes: what it may do.
            entropy: 24 or more random bytes.
        """
        text = tokens.secret_key(environment, entropy)
        stream = Stream("credential", ids.type_id(ids.KEY, ids.new_uuid()))
        command = CreateKey(
            name, environment, tuple(sorted(scopes)), tokens.hashed(text), text[-4:]
        )
        await self._registry.ask(stream, command, Origin(actor="system"))
        return text

    async def name_workspace(self, workspace: str, name: str) -> None:
        """Note what a new workspace is called.

        Raises:
            ConflictError: it has a name already.
        """
        stream = Stream("workspace", workspace)
        await self._registry.ask(stream, CreateWorkspace(name), Origin(actor="system"))


@dataclass(frozen=True, slots=True)
class EphemeralGrant:
    """What an ephemeral key is asked to be."""

    subject: str
    scopes: tuple[str, ...]
    ttl_s: int
    conversations: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class EphemeralReceipt:
    """The answer: the key and its end in Unix seconds."""

    ephemeral_key: str
    expires_s: int
    replayed: bool = False


class EphemeralKeys:
    """Makes and checks the ephemeral keys of one environment; nothing of them is stored."""

    def __init__(
        self,
        *,
        workspace: str,
        environment: str,
        key: bytes,
        documents: Documents,
        now_ms: Callable[[], int],
    ) -> None:
        """Sign with the environment's ``key``; keep sealed receipts in ``documents``."""
        self._workspace = workspace
        self._environment = environment
        self._key = key
        self._documents = documents
        self._now_ms = now_ms
        self._running: set[bytes] = set()

    async def create(
        self, parent: Principal, grant: EphemeralGrant, *, origin: Origin, secret: bytes
    ) -> EphemeralReceipt:
        """Return a new ephemeral key, or the one that this idempotency key made before.

        The receipt holds a secret: it is kept 24 h, sealed with a key derived from ``secret`` (the
        presented credential and the idempotency key), so that the disk alone does not give it away.

        Raises:
            ForbiddenError: ``parent`` is itself ephemeral.
            ScopeError: wider than the parent.
            IdempotencyMismatchError: the idempotency key was used with another body.
            IdempotencyInProgressError: its first request is still running.
        """
        if parent.expires_s is not None:
            detail = "an ephemeral key cannot make another; ask with a secret key"
            raise ForbiddenError(detail)
        check_delegated(grant.scopes, parent=parent.scopes)
        if origin.command_key is None:
            return self._make(parent, grant)
        if origin.command_key in self._running:
            detail = "the first request with this key is still running"
            raise IdempotencyInProgressError(detail)
        self._running.add(origin.command_key)
        try:
            return await self._make_once(parent, grant, origin, secret)
        finally:
            self._running.discard(origin.command_key)

    def check(self, claims: tokens.EphemeralClaims, signed: bytes, parent: Credential) -> Principal:
        """Return what an ephemeral key stands for.

        Raises:
            UnauthenticatedError: forged, expired, or its parent is not of this environment.
        """
        if not tokens.is_signed(self._environment, signed, key=self._key):
            raise UnauthenticatedError(_UNKNOWN)
        if claims.expires_s * 1000 <= self._now_ms():
            detail = "this ephemeral key has expired; ask your server for a new one"
            raise UnauthenticatedError(detail)
        if parent.environment != self._environment or parent.workspace != self._workspace:
            raise UnauthenticatedError(_UNKNOWN)
        return Principal(
            workspace=self._workspace,
            environment=self._environment,
            key_id=parent.id,
            subject=claims.subject,
            scopes=frozenset(claims.scopes) & parent.principal.scopes,
            staff=False,
            expires_s=claims.expires_s,
            conversations=(
                None if claims.conversations is None else frozenset(claims.conversations)
            ),
        )

    def _make(self, parent: Principal, grant: EphemeralGrant) -> EphemeralReceipt:
        expires_s = self._now_ms() // 1000 + grant.ttl_s
        claims = tokens.EphemeralClaims(
            workspace=self._workspace,
            parent=parent.key_id,
            subject=grant.subject,
            scopes=tuple(sorted(set(grant.scopes))),
            expires_s=expires_s,
            nonce=crypto.new_key()[:8],
            conversations=grant.conversations,
        )
        text = tokens.ephemeral_key(self._environment, claims, key=self._key)
        return EphemeralReceipt(text, expires_s)

    async def _make_once(
        self, parent: Principal, grant: EphemeralGrant, origin: Origin, secret: bytes
    ) -> EphemeralReceipt:
        name = "receipt:" + (origin.command_key or b"").hex()
        now_ms = self._now_ms()
        await in_task()
        with store_failures():
            stored = await self._documents.get(name, now_ms=now_ms)
        if stored is not None:
            return _opened(stored, origin, secret)
        receipt = self._make(parent, grant)
        document = msgspec.msgpack.encode(
            (
                origin.fingerprint,
                crypto.seal(secret, msgspec.msgpack.encode(receipt), name.encode()),
            )
        )
        expires_ms = now_ms + SEALED_RECEIPT_SECONDS * 1000
        with store_failures():
            await self._documents.put_absent(name, document, expires_ms=expires_ms, now_ms=now_ms)
        return receipt


_UNKNOWN = "this credential is not known here; check that it was copied whole"


def _opened(stored: bytes, origin: Origin, secret: bytes) -> EphemeralReceipt:
    fingerprint, sealed = msgspec.msgpack.decode(stored, type=tuple[bytes | None, bytes])
    detail = "this idempotency key was used with another body; use a new key"
    if fingerprint != origin.fingerprint:
        raise IdempotencyMismatchError(detail)
    name = "receipt:" + (origin.command_key or b"").hex()
    try:
        plain = crypto.unseal(secret, sealed, name.encode())
    except crypto.UnsealError as error:
        raise IdempotencyMismatchError(detail) from error
    kept = msgspec.msgpack.decode(plain, type=EphemeralReceipt)
    return EphemeralReceipt(kept.ephemeral_key, kept.expires_s, replayed=True)


def unknown() -> UnauthenticatedError:
    """Return the one refusal for every credential that is not known, forged or not alive."""
    return UnauthenticatedError(_UNKNOWN)
