"""The checks of ``parley doctor``. Each looks at one thing and says what to do about it."""

import os
import platform
import resource
import shutil
import socket
import stat
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway import master_key
from gateway.config import (
    FILE_NAME,
    Settings,
    UnsafeSettingsError,
    check_production,
    check_tls,
    unknown_keys,
    unknown_variables,
)
from gateway.limits import (
    DISK_FREE_BYTES_MIN,
    FSYNC_SECONDS_IMPLAUSIBLE,
    FSYNC_SECONDS_SLOW,
    OPEN_FILES_MIN,
)

OK, WARN, FAIL = "ok", "warn", "fail"

PYTHON_MIN = (3, 11)
FSYNC_PROBES = 9
PROBE_BYTES = 4096
CLOCK_SECONDS_OFF_MAX = 2.0
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found."""

    check: str
    level: str
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the checks look at."""

    settings: Settings
    environ: Mapping[str, str]
    folder: Path
    """Where ``parley.toml`` is looked for."""
    status: dict[str, Any] | None
    """What the server on the data folder says of itself; ``None`` without one."""
    trouble: str | None
    """Why a server that is there does not answer."""

    @property
    def data(self) -> Path:
        """Return the data folder."""
        return self.settings.data


Check = Callable[[Surroundings], Finding]


def python(around: Surroundings) -> Finding:  # noqa: ARG001 - a check
    """Look at the interpreter."""
    found = platform.python_version()
    if sys.version_info[:2] < PYTHON_MIN:
        return Finding("python", FAIL, found, "Parley needs Python 3.11 or newer")
    return Finding("python", OK, f"{platform.python_implementation()} {found}")


def sqlite(around: Surroundings) -> Finding:  # noqa: ARG001 - a check
    """Name the SQLite that apsw brings: its version is SQLite's with one more number."""
    found = version("apsw")
    return Finding("sqlite", OK, f"{found.rpartition('.')[0]} (brought by apsw {found})")


def settings_known(around: Surroundings) -> Finding:
    """Look for settings that nothing reads."""
    variables = unknown_variables(around.environ)
    try:
        keys = unknown_keys(around.folder)
    except (OSError, tomllib.TOMLDecodeError, UnicodeError) as error:
        return Finding("settings", FAIL, f"{FILE_NAME} cannot be read: {error}", "mend the file")
    if keys:
        named = ", ".join(keys)
        advice = "`parley config` shows the names; other commands refuse the file as it is"
        return Finding("settings", FAIL, f"{FILE_NAME} has unknown settings: {named}", advice)
    if variables:
        named = ", ".join(variables)
        return Finding(
            "settings", WARN, f"nothing reads {named}", "`parley config` shows the names"
        )
    return Finding("settings", OK, "every one is known")


def production(around: Surroundings) -> Finding:
    """Say what ``parley serve`` would refuse; a folder without a named key is a sandbox."""
    try:
        check_tls(around.settings)
        check_production(around.settings)
    except UnsafeSettingsError as error:
        words = str(error).partition(". Make")[0]
        if around.settings.master_key_file is None:
            return Finding(
                "production", WARN, "good for a sandbox only", f"parley serve would say: {words}"
            )
        return Finding("production", FAIL, "parley serve would not start", words)
    return Finding("production", OK, "parley serve would start with these settings")


def folder(around: Surroundings) -> Finding:
    """Look at the data folder, its owner and its mode."""
    data = around.data
    if not data.is_dir():
        if data.exists():
            return Finding("folder", FAIL, f"{data} is no folder", "name another with --data")
        return Finding("folder", WARN, f"there is no {data} yet", "it is made at the first start")
    found = data.stat()
    if found.st_uid != os.geteuid():
        advice = "run as its owner, or chown it to the user that serves"
        return Finding("folder", FAIL, f"{data} belongs to user {found.st_uid}", advice)
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        return Finding("folder", FAIL, f"{data} cannot be written to", f"chmod 700 {data}")
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        detail = f"others may look into {data} (mode {mode:o})"
        return Finding("folder", WARN, detail, f"chmod 700 {data}")
    return Finding("folder", OK, str(data.resolve()))


def key(around: Surroundings) -> Finding:
    """Look at the master key."""
    named = around.settings.master_key_file
    inside = around.data / master_key.FILE_NAME
    if named is None and not inside.exists():
        return Finding("master key", WARN, "there is none yet", "parley dev makes one")
    try:
        master_key.read(named or inside)
    except UnsafeSettingsError as error:
        return Finding("master key", FAIL, str(error), "put the right file there, mode 600")
    if named is None:
        detail = "the sandbox's own, in the data folder"
        return Finding("master key", OK, detail)
    if around.data.resolve() in named.resolve().parents:
        advice = "every backup would carry it: move it elsewhere"
        return Finding("master key", FAIL, "it lies in the data folder", advice)
    return Finding("master key", OK, str(named))


def holder(around: Surroundings) -> Finding:
    """Say which process holds the folder, and whether it answers."""
    if around.status is not None:
        pid, url = around.status["pid"], around.status["url"]
        return Finding("server", OK, f"process {pid} serves the folder at {url}")
    if around.trouble is not None:
        return Finding("server", FAIL, around.trouble, "see the server's log, or start it again")
    pid_text = ""
    with suppress(OSError):
        pid_text = (around.data / "LOCK").read_text(encoding="ascii", errors="replace").strip()
    if pid_text.isdecimal() and _lives(int(pid_text)):
        detail = f"process {pid_text} holds the folder and has no control socket"
        return Finding("server", WARN, detail, "commands cannot ask it: it is another program's")
    return Finding("server", OK, "none is running")


def disk(around: Surroundings) -> Finding:
    """Look at the free space of the disk."""
    free = shutil.disk_usage(_nearest(around.data)).free
    detail = f"{free / MIB:,.0f} MiB free"
    if free < DISK_FREE_BYTES_MIN:
        return Finding("disk", WARN, detail, "a full disk refuses messages: make room")
    return Finding("disk", OK, detail)


def fsync(around: Surroundings) -> Finding:
    """Measure a synced write, which every message waits for, in a file that is removed again."""
    if not around.data.is_dir():
        return Finding("fsync", OK, "not measured: there is no data folder yet")
    try:
        seconds = _fsync_s(around.data)
    except OSError as error:
        return Finding("fsync", FAIL, f"a synced write failed: {error}", "see the disk")
    detail = f"{seconds * 1000:.3f} ms a synced write (median of {FSYNC_PROBES})"
    if seconds < FSYNC_SECONDS_IMPLAUSIBLE:
        advice = "implausibly fast: this disk does not sync, and a power cut loses messages"
        return Finding("fsync", WARN, detail, advice)
    if seconds > FSYNC_SECONDS_SLOW:
        return Finding("fsync", WARN, detail, "slow: every message waits for one; use a local SSD")
    return Finding("fsync", OK, detail)


def open_files(around: Surroundings) -> Finding:  # noqa: ARG001 - a check
    """Look at the limit of open files, of which every connection needs one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Finding("open files", OK, "without a limit")
    if soft < OPEN_FILES_MIN:
        advice = f"each connection needs one: ulimit -n {OPEN_FILES_MIN * 16}, or LimitNOFILE="
        return Finding("open files", WARN, f"at most {soft:,}", advice)
    return Finding("open files", OK, f"at most {soft:,}")


def port(around: Surroundings) -> Finding:
    """Say whether the port is free, or ours already."""
    host, number = around.settings.host, around.settings.port
    if number == 0:
        return Finding("port", OK, "a free one is taken at the start")
    served = urlsplit(around.status["url"] or "") if around.status is not None else None
    if served is not None and served.port == number:
        return Finding("port", OK, f"{number} is served by this folder's server")
    try:
        _try_port(host, number)
    except OSError as error:
        advice = "stop what listens there, or give another --port"
        detail = f"{host}:{number} cannot be listened on: {error.strerror or error}"
        return Finding("port", FAIL, detail, advice)
    return Finding("port", OK, f"{host}:{number} is free")


def clock(around: Surroundings) -> Finding:
    """See that the machine's clock is not before what is recorded already."""
    newest = _newest_s(around)
    ahead_s = newest - time.time()
    if ahead_s > CLOCK_SECONDS_OFF_MAX:
        detail = f"the clock is {ahead_s:,.0f} s before the newest record"
        return Finding("clock", FAIL, detail, "set it right: new records would stand still in time")
    return Finding("clock", OK, datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"))


CHECKS: tuple[Check, ...] = (
    python,
    sqlite,
    settings_known,
    production,
    folder,
    key,
    holder,
    port,
    disk,
    fsync,
    open_files,
    clock,
)


def every_check(around: Surroundings) -> list[Finding]:
    """Return what every check finds, in the order they are shown."""
    return [check(around) for check in CHECKS]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _nearest(path: Path) -> Path:
    """Return ``path``, or the first of the folders above it that is there."""
    whole = path.resolve()
    return next(one for one in (whole, *whole.parents) if one.is_dir())


def _fsync_s(where: Path) -> float:
    """Return the median seconds of one appended page and its fsync."""
    taken: list[float] = []
    with tempfile.TemporaryFile(dir=where) as probe:
        for _ in range(FSYNC_PROBES):
            probe.write(os.urandom(PROBE_BYTES))
            probe.flush()
            begun = time.perf_counter()
            os.fsync(probe.fileno())
            taken.append(time.perf_counter() - begun)
    return sorted(taken)[len(taken) // 2]


def _try_port(host: str, number: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _newest_s(around: Surroundings) -> float:
    """Return the Unix time of the newest record: as the server says, or as the logs' files do."""
    told = around.status["newest_record_at"] if around.status is not None else None
    times = [datetime.fromisoformat(told).timestamp()] if told else []
    times += [file.stat().st_mtime for file in _logs(around.data)]
    return max(times, default=0.0)


def _logs(data: Path) -> Iterator[Path]:
    yield from data.glob("*/*/log.db*")
