"""Brings an actor up to date: from its snapshot and the tail behind it, or from the whole stream.

A snapshot counts only if the log has the very event it ends with: one of a version beyond the head,
or of a history that a restored log does not have, is passed over, and replaced in time (shell).
"""

from engine.actor.actor import Actor
from engine.actor.snapshots import Snapshots
from engine.limits import REPLAY_PAGE_RECORDS, SNAPSHOT_EVENTS_WORTHWHILE
from engine.log.log import Log


async def rehydrate(actor: Actor, log: Log, snapshots: Snapshots) -> None:
    """Let ``actor``, which is new, know all that its stream holds.

    Raises:
        StorageError: the log does not answer.
    """
    head = await log.head(actor.stream)
    if head >= SNAPSHOT_EVENTS_WORTHWHILE:
        await _resume(actor, log, snapshots)
    version = actor.version
    while version < head:
        page = await log.read(actor.stream, after=version, limit=REPLAY_PAGE_RECORDS)
        if not page:
            return
        for event in page:
            actor.replay(event)
        version = actor.version


async def _resume(actor: Actor, log: Log, snapshots: Snapshots) -> None:
    """Go on from the snapshot, if there is one and the log bears it out."""
    known = await snapshots.find(actor.stream, actor.kind)
    if known is None:
        return
    page = await log.read(actor.stream, after=known.version - 1, limit=REPLAY_PAGE_RECORDS)
    if page and page[0].uuid == known.event_id:
        actor.restore(known)
        for event in page[1:]:
            actor.replay(event)
