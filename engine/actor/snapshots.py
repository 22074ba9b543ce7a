"""Writes the snapshots of one environment's actors behind their turns, and reads them (shell).

A snapshot spares an actor most of its stream when it comes back. It is never needed and never
trusted: whatever is wrong with one, the stream is replayed from its beginning.
"""

import logging
from collections import deque
from functools import partial

import trio

from engine.actor.actor import Actor
from engine.actor.kind import Kind
from engine.actor.snapshot_codec import Capture, Known, envelope_of, opened, to_snapshot
from engine.limits import SNAPSHOTS_PER_WRITE, SNAPSHOTS_UNDER_WAY_MAX
from engine.log.keyring import Keyring, SubjectKeyMissingError
from persistence.errors import StoreError
from persistence.protocols.snapshots import Snapshots as StoredSnapshots
from persistence.records import Snapshot, Stream

LOG = logging.getLogger("parley.actor")


class Snapshots:
    """What is kept of every actor. One task writes, so the newest of a stream is written last."""

    def __init__(self, stored: StoredSnapshots, *, keyring: Keyring, environment: str) -> None:
        """Keep them in ``stored``, sealed for ``environment`` (its full name)."""
        self._stored = stored
        self._keyring = keyring
        self._environment = environment
        self._due: deque[Actor] = deque()
        self._captured: deque[Capture] = deque()
        self._under_way = 0
        self._wake = trio.Event()
        self._writing = trio.Lock()
        self._forgettings = 0
        """How often everything that had been captured was not to be kept any more."""

    def due(self, actor: Actor) -> None:
        """Write what ``actor`` knows, soon. With too many under way this one is left out."""
        if self._under_way >= SNAPSHOTS_UNDER_WAY_MAX:
            return
        self._under_way += 1
        actor.kept = actor.version
        self._due.append(actor)
        self._wake.set()

    async def run(self) -> None:
        """Capture and write until cancelled. What is not written by then is lost: no harm."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            while self._due or self._captured:
                self._capture()
                await self._write()
                await trio.lowlevel.checkpoint()

    async def find(self, stream: Stream, kind: Kind) -> Known | None:
        """Return what is kept of ``stream``; ``None`` if there is nothing that can be used."""
        try:
            snapshot = await self._stored.get(stream)
            envelope = envelope_of(snapshot, kind) if snapshot else None
            key = await self._key_of(envelope.key) if envelope else None
        except StoreError as error:
            LOG.warning("a snapshot could not be read", exc_info=error, extra=_place(stream))
            return None
        if snapshot is None or envelope is None or key is None:
            return None
        return opened(snapshot, envelope, kind, key=key, environment=self._environment)

    async def forget_all(self) -> None:
        """Keep nothing of what was captured before this call, on disk or on its way there.

        Raises:
            StoreError: something may still be there; call again.
        """
        self._forgettings += 1
        self._under_way -= len(self._due) + len(self._captured)
        self._due.clear()
        self._captured.clear()
        async with self._writing:
            await self._stored.forget_all()

    def _capture(self) -> None:
        """Take the bytes of one actor; they are written once they are true of the disk as well."""
        if not self._due:
            return
        actor = self._due.popleft()
        capture = actor.capture()
        if capture is None:
            self._under_way -= 1
        else:
            actor.when_committed(partial(self._confirmed, capture, self._forgettings))

    def _confirmed(self, capture: Capture, forgettings: int, committed: bool) -> None:  # noqa: FBT001 - see Actor
        if committed and forgettings == self._forgettings:
            self._captured.append(capture)
            self._wake.set()
        else:
            self._under_way -= 1

    async def _write(self) -> None:
        captures = [
            self._captured.popleft() for _ in range(min(len(self._captured), SNAPSHOTS_PER_WRITE))
        ]
        if not captures:
            return
        try:
            async with self._writing:
                sealed = [one for capture in captures for one in await self._sealed(capture)]
                await self._stored.put(sealed)
        except (StoreError, ValueError) as error:
            LOG.warning("snapshots could not be written", exc_info=error)
        finally:
            self._under_way -= len(captures)

    async def _sealed(self, capture: Capture) -> list[Snapshot]:
        """Return the snapshot; none if its subject's key is gone.

        The key of a stream itself is made if nothing was sealed with it yet, a person's never.
        """
        subject = capture.subject
        if subject == capture.stream.name:
            await self._keyring.ensure([subject])
        name = self._keyring.name_of(subject)
        key = await self._key_of(name)
        if key is None:
            return []
        return [to_snapshot(capture, key=key, name=name, environment=self._environment)]

    async def _key_of(self, name: str) -> bytes | None:
        try:
            return (await self._keyring.load([name]))[name]
        except SubjectKeyMissingError:
            return None


def _place(stream: Stream) -> dict[str, str]:
    return {"stream_kind": stream.kind, "stream": stream.name}
