"""A process that writes messages, and a snapshot behind every third, until it is killed.

Says the version of each message once it is acked, a line each.
"""

from pathlib import Path

import trio

from engine.actor import registry, rehydration
from engine.actor.outcome import Accepted, Origin
from engine.actor.watchdog import Watchdog
from engine.environment import Environment
from persistence.records import Stream
from persistence.sqlite import SqliteStores
from tests.support.conversations import CONVERSATION, post

TALK = Stream("conversation", CONVERSATION)
KEY = bytes(32)
EVENTS = 3


def snapshots_soon() -> None:
    """Let snapshots be due after ``EVENTS`` events, and be read whatever the length."""
    registry.SNAPSHOT_EVENTS = EVENTS  # type: ignore[attr-defined]
    rehydration.SNAPSHOT_EVENTS_WORTHWHILE = 1  # type: ignore[attr-defined]


def key_of(version: int) -> bytes:
    """Return the idempotency key of the message with this version."""
    return b"%016d" % version


async def write(environment: Environment, first: int) -> None:
    """Write messages without an end."""
    version = first
    while True:
        command = post(create_as="conv_123")
        origin = Origin("key_1", key_of(version), b"body".ljust(16))
        outcome = await environment.registry.ask(TALK, command, origin)
        if isinstance(outcome, Accepted):
            version = outcome.events[-1].version
            print(version, flush=True)  # noqa: T201 - the parent reads it
        version += 1


async def main(folder: Path) -> None:
    """Go on from where the folder is."""
    snapshots_soon()
    stores = SqliteStores(folder)
    await stores.open()
    store = stores.store("acme", "live")
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        environment = Environment("acme", "live", store, workspace_key=KEY, watchdog=Watchdog())
        await environment.start(nursery)
        await write(environment, max(2, await store.log.head(TALK) + 1))
