"""What the run ran on: the machine, its disk, and what a process has used of it."""

import os
import platform
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.histogram import Histogram

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
BLOCK = b"\0" * 4096
WRITES = 100
IN_MEMORY = frozenset({"tmpfs", "ramfs", "overlay"})
"""File systems whose synced write says nothing of a disk."""

Cores = frozenset[int] | None
"""Cores that a thread may run on, by their numbers; ``None``: as it is."""


@dataclass(frozen=True)
class Machine:
    """Facts that a figure depends on, and none that name the machine."""

    cores: int
    architecture: str
    python: str
    kernel: str
    filesystem: str
    load_average: float
    """Of the last minute, when the scenario began: what else was running."""


@dataclass(frozen=True)
class Sync:
    """How long one write of 4 KiB took that was forced to disk, just before the load."""

    p50_us: int
    p99_us: int


def facts(folder: Path) -> Machine:
    """Describe this machine, and the disk that ``folder`` lies on."""
    return Machine(
        cores=os.cpu_count() or 1,
        architecture=platform.machine(),
        python=platform.python_version(),
        kernel=f"{platform.system()} {platform.release().partition('-')[0]}",
        filesystem=filesystem_of(folder, Path("/proc/mounts").read_text(encoding="utf-8")),
        load_average=round(os.getloadavg()[0], 2),
    )


def filesystem_of(folder: Path, mounts: str) -> str:
    """Return the type of the file system that ``folder`` lies on, by the lines of ``mounts``."""
    resolved = folder.resolve()
    found = "unknown"
    longest = 0
    for line in mounts.splitlines():
        _, where, kind, *_ = line.split(" ")
        point = Path(where.replace("\\040", " "))
        if resolved.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = kind, len(point.parts)
    return found


def folder_on_disk() -> Path:
    """Return a folder for temporary files that is not kept in memory, if there is one."""
    mounts = Path("/proc/mounts").read_text(encoding="utf-8")
    places = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()]  # noqa: S108 - made safely
    real = [place for place in places if filesystem_of(place, mounts) not in IN_MEMORY]
    return (real or places)[0]


def sync_time(folder: Path) -> Sync:
    """Write pages to a file in ``folder`` and force each to the disk."""
    path = folder / "sync.probe"
    took = Histogram()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for at in range(WRITES):
            began = time.perf_counter()
            os.pwrite(descriptor, BLOCK, at * len(BLOCK))
            os.fdatasync(descriptor)
            took.record(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    p50, p99 = took.ms(50.0, 99.0)
    return Sync(round(p50 * 1000), round(p99 * 1000))


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used so far, in user and kernel mode."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def allow_open_files() -> int:
    """Let this process, and those it starts, open as many files as it may; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextmanager
def pinned(cores: Cores) -> Iterator[None]:
    """Run this thread, and the processes and threads it starts, on some cores."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or usual)
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)
