"""``parley keys``: tenants and their first keys, made while no server holds the folder."""

import trio

from gateway import logs
from gateway.cli.outcome import guarded
from gateway.compose import Node
from gateway.config import Settings, UnsafeSettingsError


def run(settings: Settings) -> int:
    """Make a workspace and print its three keys, the only time anybody sees them."""
    logs.set_up(settings.log_level)

    def make() -> None:
        if settings.store == "memory":
            raise UnsafeSettingsError("--store memory would forget the keys at once; use sqlite")
        trio.run(_make, Node(settings))

    return guarded(make)


async def _make(node: Node) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(node.engine.run)
        workspace = await node.engine.create_workspace()
        print(f"workspace {workspace}")
        for environment in ("live", "test", "workspace"):
            key = await node.engine.create_key(workspace, environment, name=f"first {environment}")
            print(f"{environment:9} {key}")
        nursery.cancel_scope.cancel()
