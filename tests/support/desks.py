"""A running engine on a disk that a test can hold, and people who write to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import trio

from engine.actor.outcome import Origin
from engine.auth.scopes import ENVIRONMENT_SCOPES
from engine.conversation.events import Author, Visibility
from engine.conversation.service import NewMessage, Posted, stream_of
from engine.engine import Engine
from engine.environment import Environment
from engine.log.event import Event
from engine.principal import Principal
from tests.support.disks import MemoryDisk

_NUMBERS = count(1)


@dataclass(frozen=True)
class Desk:
    """One environment, and the rights to write in it."""

    environment: Environment

    @property
    def staff(self) -> Principal:
        return self._principal("key_1", staff=True)

    def customer(
        self, subject: str = "acct_123", conversations: frozenset[str] | None = None
    ) -> Principal:
        return self._principal(subject, staff=False, conversations=conversations)

    async def post(
        self,
        who: Principal,
        text: str = "Hello",
        *,
        conversation: str = "conv_123",
        author: Author | None = None,
        visibility: Visibility = "public",
        key: str | None = None,
    ) -> Posted:
        """Write a message; with ``key`` a second time is the same message."""
        name = key or f"request {next(_NUMBERS)}"
        origin = Origin(who.subject, name.encode().ljust(16), text.encode().ljust(16))
        new = NewMessage(text, author, visibility=visibility)
        return await self.environment.conversations.post(who, conversation, new, origin)

    def later_than(self, event: Event) -> None:
        """Let a millisecond pass on the record."""
        self.environment.clock.advance_to(event.time_ms + 1)

    async def events(self, conversation: str = "conv_123") -> list[Event]:
        """Return what is on disk of a conversation."""
        conversation_id, _ = self.environment.conversations.resolve(self.staff, conversation)
        return await self.environment.log.read(stream_of(conversation_id))

    def _principal(
        self, subject: str, *, staff: bool, conversations: frozenset[str] | None = None
    ) -> Principal:
        return Principal(
            workspace=self.environment.workspace,
            environment=self.environment.name,
            key_id="key_1",
            subject=subject,
            scopes=ENVIRONMENT_SCOPES,
            staff=staff,
            conversations=conversations,
        )


@asynccontextmanager
async def opened(disk: MemoryDisk | None = None) -> AsyncIterator[Desk]:
    """Run an engine on ``disk`` with one workspace, and open its live environment."""
    disk = disk or MemoryDisk()
    engine = Engine(disk.stores, master_key=bytes(32))
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        known = await engine.workspaces()
        workspace = known[0] if known else await engine.create_workspace()
        yield Desk(await engine.environment(workspace, "live"))
        disk.release()
        nursery.cancel_scope.cancel()
