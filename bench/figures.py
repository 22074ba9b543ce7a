"""Numbers of a run: percentiles, and what one write to this disk takes."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

BLOCK = b"\0" * 4096
WRITES = 200


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of ``values`` do not exceed (nearest rank)."""
    assert values, "nothing was measured"
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def sync_seconds(folder: Path) -> float:
    """Return the median time of writing one page and forcing it to the disk of ``folder``."""
    path = folder / "sync.probe"
    took: list[float] = []
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for at in range(WRITES):
            began = time.perf_counter()
            os.pwrite(descriptor, BLOCK, at * len(BLOCK))
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return percentile(took, 0.5)
