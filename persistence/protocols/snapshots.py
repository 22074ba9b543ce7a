"""Snapshots of streams: what may be thrown away at any time, since the log gives it again."""

from collections.abc import Sequence
from typing import Protocol

from persistence.records import Snapshot, Stream


class Snapshots(Protocol):
    """At most one snapshot a stream: the one that was put last.

    Nothing here is promised: after a crash a snapshot may be gone, or an older one may be back.
    Whoever reads one checks it against the log. A backup leaves them out.
    """

    async def get(self, stream: Stream) -> Snapshot | None:
        """Return the snapshot of ``stream`` if there is one.

        Raises:
            StoreUnavailableError, StoreDamagedError: It cannot be read; the log still can.
        """

    async def put(self, snapshots: Sequence[Snapshot]) -> None:
        """Keep each of them in the place of the one before it, whichever version that had.

        Not durable: it costs no wait for the disk.

        Cancellation: a write that has begun runs to its end.

        Raises:
            StoreUnavailableError, StoreDamagedError: Nothing was kept.
            ValueError: More than ``SNAPSHOTS_PER_PUT_MAX``, one longer than ``SNAPSHOT_BYTES_MAX``,
                or one of version 0 or below.
        """

    async def forget(self, stream: Stream) -> None:
        """Remove the snapshot of ``stream``; no copy of it stays in any file of the store.

        Raises:
            StoreUnavailableError, StoreDamagedError: It, or a copy of it, may still be there.
        """

    async def forget_all(self) -> None:
        """Remove every snapshot, as :meth:`forget` does."""
