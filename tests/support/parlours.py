"""A node in memory without a door: sessions over lines that the test holds."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.callers import Caller
from gateway.compose import Node
from gateway.config import Settings
from gateway.realtime.dialects import json
from gateway.realtime.dialects.dialect import Dialect
from gateway.realtime.session import Session
from persistence.protocols.store import Stores
from tests.gateway.realtime.clients import Speaker
from tests.support.desks import Desk
from tests.support.disks import MemoryDisk

CONVERSATION = "conv_123"


class Ear(Speaker):
    """An open line; like every line it takes nothing behind its end."""

    def __init__(self, read: Callable[[bytes], Any]) -> None:
        super().__init__()
        self.told: list[dict[str, Any]] = []
        """All frames that came, in order, and when on trio's clock."""
        self.moments: list[float] = []
        self._read = read

    def take(self, joined: bytes, frames: Sequence[bytes]) -> bool:
        before = len(self.batches)
        taken = super().take(joined, frames)
        if len(self.batches) > before:
            self._hear(frames)
        return taken

    def answer(self, frame: bytes) -> None:
        if not self.gone:
            super().answer(frame)
            self._hear((frame,))

    def _hear(self, frames: Sequence[bytes]) -> None:
        self.silent = False
        self.told += [self._read(frame) for frame in frames]
        self.moments += [trio.current_time()] * len(frames)


class Guest:
    """The client's side of one session."""

    def __init__(self, session: Session, ear: Ear, write: Callable[[Any], bytes]) -> None:
        self.session = session
        self.ear = ear
        self._write = write

    def says(self, op: str, **members: Any) -> None:
        """Send a frame; what it causes at once has happened when this returns."""
        self.session.hear(self._write({"op": op, **members}))

    def posts(self, *refs: int) -> None:
        """Write a message for each of ``refs``."""
        for ref in refs:
            message = {"text": f"message {ref}"}
            self.says("message.create", ref=ref, conversation=CONVERSATION, message=message)

    async def asks(self, op: str, **members: Any) -> dict[str, Any]:
        """Send a frame, and return the last that was told when nothing more happens."""
        self.says(op, **members)
        await wait_all_tasks_blocked()
        return self.told[-1]

    def is_read(self) -> bool:
        """Say whether the line takes more of what the client says."""
        return not self.ear.paused

    @property
    def told(self) -> list[dict[str, Any]]:
        return self.ear.told

    @property
    def ops(self) -> list[str]:
        return [frame["op"] for frame in self.told]

    @property
    def refs(self) -> list[Any]:
        """The refs of all answers, in order."""
        return [frame["ref"] for frame in self.told if "ref" in frame]

    @property
    def bye(self) -> dict[str, Any]:
        """The farewell: the last frame, and the line was closed with its code and reason."""
        bye = self.told[-1]
        assert bye["op"] == "bye", bye
        assert self.ear.closed == (bye["code"], bye["reason"])
        return bye


@dataclass(frozen=True)
class Parlour:
    """A node that runs, and who talks to it."""

    node: Node
    disk: MemoryDisk
    workspace: str
    key: str

    async def key_of(self, environment: str) -> str:
        """Return a new key of the same workspace."""
        return await self.node.engine.create_key(self.workspace, environment, name=environment)

    async def caller(self, **principal: Any) -> Caller:
        """Return who the key stands for; members of its ``principal`` may be other ones."""
        caller = await self.node.dispatcher.callers.of(self.key)
        return replace(caller, principal=replace(caller.principal, **principal))

    async def desk(self) -> Desk:
        """Return somebody else who writes in the same environment."""
        return Desk((await self.caller()).environment)

    def comes(
        self,
        caller: Caller | None = None,
        *,
        dialect: Dialect = json.DIALECT,
        traceparent: str | None = None,
    ) -> Guest:
        """Open a session; ``caller`` = whom the header of its upgrade named."""
        coding = msgspec.msgpack if dialect.binary else msgspec.json
        ear = Ear(coding.decode)
        session = Session(
            ear,
            dispatcher=self.node.dispatcher,
            switchboard=self.node.switchboard,
            dialect=dialect,
            caller=caller,
            traceparent=traceparent,
        )
        session.begin()
        return Guest(session, ear, coding.encode)

    async def guest(self, **principal: Any) -> Guest:
        """Open the session of a known caller; ``CONVERSATION`` is there, at version 2 or later."""
        desk = await self.desk()
        await desk.post(desk.staff, conversation=CONVERSATION)
        return self.comes(await self.caller(**principal))

    def timers(self) -> int:
        """Return how many timers are set and were not cancelled."""
        buckets = self.node.switchboard.wheel._buckets.values()  # noqa: SLF001
        return sum(timer.call is not None for bucket in buckets for timer in bucket)


@asynccontextmanager
async def parlour(
    folder: Path, *, per_key: int = 0, stores: Callable[[Stores], Stores] = lambda stores: stores
) -> AsyncIterator[Parlour]:
    """Run a node on a disk in memory; its master key lies in ``folder``."""
    disk = MemoryDisk()
    settings = Settings(
        data=folder, store="memory", port=0, log_level="warning", max_connections_per_key=per_key
    )
    node = Node(settings, stores=stores(disk.stores))
    async with trio.open_nursery() as nursery:
        await nursery.start(node.engine.run)
        await nursery.start(node.switchboard.run)
        workspace = await node.engine.create_workspace()
        key = await node.engine.create_key(workspace, "live", name="live")
        try:
            yield Parlour(node, disk, workspace, key)
        finally:
            disk.release()
        nursery.cancel_scope.cancel()
