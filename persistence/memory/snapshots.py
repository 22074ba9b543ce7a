"""Snapshots of streams, in memory."""

from collections.abc import Callable, Sequence

import trio

from persistence.limits import check_snapshots
from persistence.records import Snapshot, Stream


class MemorySnapshots:
    """Stream → its newest snapshot."""

    def __init__(self, kept: dict[Stream, Snapshot], check_open: Callable[[], None]) -> None:
        """Keep the snapshots in ``kept``; ``check_open`` raises while the store does not run."""
        self._kept = kept
        self._check_open = check_open

    async def get(self, stream: Stream) -> Snapshot | None:
        """Return the snapshot of ``stream`` if there is one."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        return self._kept.get(stream)

    async def put(self, snapshots: Sequence[Snapshot]) -> None:
        """Keep each of them in the place of the one before it."""
        check_snapshots(snapshots)
        await trio.lowlevel.checkpoint()
        self._check_open()
        self._kept.update({snapshot.stream: snapshot for snapshot in snapshots})

    async def forget(self, stream: Stream) -> None:
        """Remove the snapshot of ``stream``."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        self._kept.pop(stream, None)

    async def forget_all(self) -> None:
        """Remove every snapshot."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        self._kept.clear()
