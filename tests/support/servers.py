"""A whole node on a real socket, inside the test's own trio run."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import httpx2
import trio

from gateway import node
from gateway.compose import Node
from gateway.config import Settings
from persistence.protocols.store import Stores
from tests.support.certificates import Certificate

ServerName: TypeAlias = Literal["front_door", "hypercorn"]
"""What speaks HTTP: Parley's own server, or Hypercorn."""


@dataclass(frozen=True)
class Tenant:
    """A workspace and its three secret keys."""

    workspace: str
    live: str
    test: str
    admin: str


@dataclass(frozen=True)
class Server:
    """A node that serves, and clients to talk to it with."""

    url: str
    node: Node
    tenant: Tenant
    tls: ssl.SSLContext | None = None

    @property
    def name(self) -> ServerName:
        return self.node.settings.server

    @property
    def realtime_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/realtime"

    def client(self, key: str | None = None, **headers: str) -> httpx2.AsyncClient:
        """Return a client of this server, with ``key`` as its credential."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        verify = self.tls or True
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20, verify=verify)

    def staff(self) -> httpx2.AsyncClient:
        """Return a client with the live key that asks the Admin API with the admin key."""

        async def as_admin(request: httpx2.Request) -> None:
            if request.url.path.startswith("/v1/admin/"):
                request.headers["Authorization"] = f"Bearer {self.tenant.admin}"

        client = self.client(self.tenant.live)
        client.event_hooks["request"] = [as_admin]
        return client

    async def new_tenant(self) -> Tenant:
        """Make another workspace on the same server."""
        return await _tenant(self.node)

    async def ephemeral(
        self,
        subject: str = "acct_123",
        *,
        scopes: tuple[str, ...] = ("conversation:read", "conversation:write"),
        ttl: int = 600,
        parent: str | None = None,
        conversations: list[str] | None = None,
    ) -> str:
        """Return an ephemeral key, asked for over the wire."""
        body = {"user_id": subject, "scopes": list(scopes), "ttl": ttl}
        if conversations is not None:
            body["conversations"] = conversations
        async with self.client(parent or self.tenant.live) as client:
            answer = await client.post("/v1/auth/ephemeral", json=body)
        assert answer.status_code == 201, answer.text
        key: str = answer.json()["ephemeral_key"]
        return key


@asynccontextmanager
async def serving(
    folder: Path,
    *,
    server: ServerName = "front_door",
    store: Literal["sqlite", "memory"] = "sqlite",
    stores: Stores | None = None,
    certificate: Certificate | None = None,
) -> AsyncIterator[Server]:
    """Serve ``folder`` on a free port of the loopback; stop as SIGTERM would."""
    settings = Settings(data=folder, store=store, server=server, port=0, log_level="warning")
    if certificate is not None:
        settings = replace(settings, tls_cert=certificate.cert, tls_key=certificate.key)
    made = Node(settings, stores=stores)
    urls: list[str] = []
    tenants: list[Tenant] = []
    is_ready = trio.Event()

    async def prepare() -> None:
        known = await made.engine.workspaces()
        if not known:
            tenants.append(await _tenant(made))

    async def ready(url: str) -> None:
        urls.append(url)
        is_ready.set()

    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await node.run(made, prepare=prepare, ready=ready)

        nursery.start_soon(run)
        with trio.fail_after(20):
            await is_ready.wait()
        tls = certificate.trusting() if certificate is not None else None
        yield Server(urls[0], made, tenants[0] if tenants else Tenant("", "", "", ""), tls)
        made.stop()


async def _tenant(made: Node) -> Tenant:
    workspace = await made.engine.create_workspace()
    keys = [
        await made.engine.create_key(workspace, environment, name=environment)
        for environment in ("live", "test", "workspace")
    ]
    return Tenant(workspace, *keys)
