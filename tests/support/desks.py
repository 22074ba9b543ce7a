"""A running engine on a disk that a test can hold, and people who write to it."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import trio

from engine.actor.outcome import Origin, Outcome
from engine.auth.scopes import ENVIRONMENT_SCOPES
from engine.conversation.commands import Changes
from engine.conversation.events import Author, Visibility
from engine.conversation.marks import Mark
from engine.conversation.service import (
    ANYTHING,
    Changed,
    Edit,
    Edited,
    Expectation,
    NewConversation,
    NewMessage,
    Posted,
    stream_of,
)
from engine.engine import Engine
from engine.environment import Environment
from engine.errors import ParleyError
from engine.log.event import Event
from engine.principal import Principal
from tests.support.disks import MemoryDisk
from tests.support.faults import FaultyStores

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
        new = NewMessage(text, author, visibility=visibility)
        origin = origin_of(who, key, text)
        return await self.environment.conversations.post(who, conversation, new, origin)

    async def create(
        self, who: Principal, new: NewConversation | None = None, *, key: str | None = None
    ) -> Changed:
        """Make a conversation without a message."""
        new = new or NewConversation()
        return await self.environment.changing.create(who, new, origin_of(who, key, repr(new)))

    async def change(
        self,
        who: Principal,
        changes: Changes,
        expectation: Expectation = ANYTHING,
        *,
        conversation: str = "conv_123",
        key: str | None = None,
    ) -> Changed:
        """Set fields of a conversation."""
        origin = origin_of(who, key, repr(changes))
        return await self.environment.changing.change(
            who, conversation, changes, expectation, origin
        )

    async def add(
        self, someone: Author, *, conversation: str = "conv_123", key: str | None = None
    ) -> Changed:
        """Let somebody take part; staff does."""
        origin = origin_of(self.staff, key, f"add {someone}")
        return await self.environment.changing.add_participant(
            self.staff, conversation, someone, ANYTHING, origin
        )

    async def remove(
        self, someone: Author, *, conversation: str = "conv_123", key: str | None = None
    ) -> Changed:
        """Let somebody take part no more; staff does."""
        origin = origin_of(self.staff, key, f"remove {someone}")
        return await self.environment.changing.remove_participant(
            self.staff, conversation, someone, ANYTHING, origin
        )

    async def edit(
        self,
        who: Principal,
        message: Event,
        edit: Edit,
        *,
        conversation: str = "conv_123",
        key: str | None = None,
    ) -> Edited:
        """Change a message."""
        return await self.environment.editing.edit(
            who, conversation, message_id(message), edit, origin_of(who, key, repr(edit))
        )

    async def redact(
        self,
        who: Principal,
        message: Event,
        edit: Edit | None = None,
        *,
        conversation: str = "conv_123",
        key: str | None = None,
    ) -> Edited:
        """Withdraw a message."""
        return await self.environment.editing.redact(
            who, conversation, message_id(message), edit or Edit(), origin_of(who, key, "")
        )

    async def told(
        self,
        who: Principal,
        *,
        conversation: str = "conv_123",
        author: Author | None = None,
    ) -> Outcome | ParleyError:
        """Write a message as the realtime door does, and wait for what it is told."""
        answers, answered = list[Outcome | ParleyError](), trio.Event()

        def reply(outcome: Outcome | ParleyError) -> None:
            answers.append(outcome)
            answered.set()

        new, origin = NewMessage("Hello", author), origin_of(who, None, "Hello")
        await self.environment.conversations.tell(who, conversation, new, origin, reply)
        await answered.wait()
        (answer,) = answers
        return answer

    async def mark(
        self,
        who: Principal,
        version: int,
        author: Author | None = None,
        *,
        conversation: str = "conv_123",
    ) -> Mark:
        """Say how far somebody has read."""
        return await self.environment.marks.advance(who, conversation, version, author)

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


def message_id(message: Event) -> str:
    """Return the id of the message that an event made."""
    assert message.resource_id is not None
    return message.resource_id


def origin_of(who: Principal, key: str | None, body: str) -> Origin:
    """Return the origin of a request; without ``key`` it is one that is never repeated."""
    name = key or f"request {next(_NUMBERS)}"
    fingerprint = hashlib.blake2b(body.encode(), digest_size=16).digest()
    return Origin(who.subject, name.encode().ljust(16), fingerprint)


@asynccontextmanager
async def opened(
    disk: MemoryDisk | None = None, *, failing: set[str] | None = None
) -> AsyncIterator[Desk]:
    """Run an engine on ``disk`` with one workspace, and open its live environment.

    Calls of the store that are named in ``failing`` fail as long as they are.
    """
    disk = disk or MemoryDisk()
    stores = disk.stores if failing is None else FaultyStores(disk.stores, failing)
    engine = Engine(stores, master_key=bytes(32))
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        known = await engine.workspaces()
        workspace = known[0] if known else await engine.create_workspace()
        yield Desk(await engine.environment(workspace, "live"))
        disk.release()
        nursery.cancel_scope.cancel()
