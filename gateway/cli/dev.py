"""``parley dev``: a sandbox that is ready before one has read its banner."""

import json as json_module
from importlib.metadata import version

import trio

from engine import crypto
from engine.engine import Engine
from gateway import logs, node
from gateway.cli.outcome import guarded
from gateway.cli.welcome import CONVERSATIONS
from gateway.compose import Node
from gateway.config import Settings
from gateway.control import seeding
from gateway.control.client import no_progress


class Sandbox:
    """The workspace of a sandbox, and its keys: the same at every start."""

    def __init__(self, engine: Engine, master_key: bytes) -> None:
        """Derive the keys from the sandbox's own ``master_key``."""
        self._engine = engine
        self._master_key = master_key
        self.workspace = ""
        self.keys: dict[str, str] = {}

    async def prepare(self, *, seed: bool) -> None:
        """Make workspace, keys and conversations, unless they are there already."""
        known = await self._engine.workspaces()
        self.workspace = known[0] if known else await self._engine.create_workspace("sandbox")
        for name in ("test", "live", "workspace"):
            self.keys[name] = await self._engine.create_key(
                self.workspace,
                name,
                name=f"sandbox {name}",
                entropy=crypto.derive(self._master_key, "sandbox key", self.workspace, name),
            )
        if seed:
            environment = await self._engine.environment(self.workspace, "test")
            total = sum(len(script.lines) for script in CONVERSATIONS)
            await seeding.write(environment, CONVERSATIONS, seeding.Tally(total, no_progress))


def run(settings: Settings, *, json: bool, seed: bool) -> int:
    """Serve a sandbox until it is stopped. Return the exit status."""
    logs.set_up(settings.log_level)

    def serve() -> None:
        made = Node(settings)
        sandbox = Sandbox(made.engine, made.master_key)

        async def prepare() -> None:
            await sandbox.prepare(seed=seed)

        async def ready(url: str) -> None:
            text = _line(url, sandbox, settings) if json else _banner(url, sandbox, settings)
            print(text, flush=True)

        async def serving() -> None:
            await node.run(
                made, prepare=prepare, ready=ready, sandbox_key=lambda: sandbox.keys["test"]
            )

        trio.run(serving)

    return guarded(serve)


def _line(url: str, sandbox: Sandbox, settings: Settings) -> str:
    return json_module.dumps(
        {
            "url": url,
            "secret_key": sandbox.keys["test"],
            "live_key": sandbox.keys["live"],
            "admin_key": sandbox.keys["workspace"],
            "workspace": sandbox.workspace,
            "data": str(settings.data.resolve()),
        }
    )


def _banner(url: str, sandbox: Sandbox, settings: Settings) -> str:
    key = sandbox.keys["test"]
    watch = f"curl -sN '{url}/v1/events/stream?since=now-1h' -H 'Authorization: Bearer {key}'"
    post = (
        f"curl -s {url}/v1/conversations/conv_123/messages -H 'Authorization: Bearer {key}' "
        "-H 'Content-Type: application/json' "
        """-d '{"author":{"type":"user","id":"usr_45"},"text":"Hello, I need help"}'"""
    )
    return (
        f"\n  Parley {version('parley')} (sandbox)    data {settings.data.resolve()}\n\n"
        f"  Server   {url}\n"
        f"  Secret   {key}\n"
        f"  Contract {url}/docs\n\n"
        f"  Set      export URL={url} KEY={key}\n\n"
        f"  Try      {post}\n\n"
        f"  Watch    {watch}\n"
    )
