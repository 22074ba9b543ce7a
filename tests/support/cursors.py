"""Cursors of a log that is gone: a restored one has another epoch, and the same key."""

import copy

from engine.log.cursor import CursorMaker


def of_another_log(cursors: CursorMaker, epoch: str) -> CursorMaker:
    """Return what made the cursors of the same environment when its log had another ``epoch``."""
    earlier = copy.copy(cursors)
    earlier.epoch = epoch
    earlier._epoch = epoch.encode()  # noqa: SLF001 - a restore makes it anew, and has the key
    return earlier
