"""``parley serve``: production."""

import logging

import trio

from gateway import logs, node
from gateway.cli.outcome import guarded
from gateway.compose import Node
from gateway.config import Settings, check_production

LOG = logging.getLogger("parley.node")


def run(settings: Settings) -> int:
    """Serve until stopped. Return the exit status."""
    logs.set_up(settings.log_level)

    def serve() -> None:
        check_production(settings)
        made = Node(settings)

        async def prepare() -> None:
            if not await made.engine.workspaces():
                LOG.warning("there is no workspace yet: make one with `parley keys workspace NAME`")

        async def ready(url: str) -> None:
            LOG.info("ready", extra={"url": url})

        async def serving() -> None:
            await node.run(made, prepare=prepare, ready=ready)

        trio.run(serving)

    return guarded(serve)
