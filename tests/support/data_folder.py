"""Every file a data folder may hold, and all of its bytes, whatever they mean."""

import re
import stat
from pathlib import Path

WORKSPACE = r"ws_[0-9a-hjkmnp-tv-z]{26}"
DATABASE = r"\.db(-wal|-shm)?"
KNOWN = tuple(
    re.compile(pattern)
    for pattern in (
        r"LOCK",
        r"control\.sock",
        r"master\.key",
        rf"{WORKSPACE}/(live|test|workspace)/(log|keys|documents|snapshots){DATABASE}",
        rf"{WORKSPACE}/(live|test|workspace)/views/[a-z_]+(@\d+)?{DATABASE}",
        rf"{WORKSPACE}/(live|test|workspace)/erasures\.ledger",
    )
)
"""Whoever adds a file adds it here, and so to what is searched for what must not be in it."""


def strangers(folder: Path) -> list[str]:
    """Return the files in ``folder`` that nobody has named here."""
    names = [path.relative_to(folder).as_posix() for path in _files(folder)]
    return [name for name in names if not any(known.fullmatch(name) for known in KNOWN)]


def contents(folder: Path) -> dict[str, bytes]:
    """Return name → bytes of every regular file: write-ahead logs and free pages included."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in _files(folder)
        if stat.S_ISREG(path.stat().st_mode)
    }


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())
