"""The compiled load generator: built from C when it is first wanted, then run.

Python cannot load the fastest servers: it would measure itself. ``generator/`` is C that needs a
compiler and libc, nothing else; ``generator.h`` begins with what it can be asked for and answers.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent / "generator"
BUILT = Path(__file__).parents[1] / ".built"
"""Beside the package and not in git: what is built belongs to one machine."""

COMPILER = "cc"
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror")
BUILD_SECONDS = 120.0
RUN_SECONDS = 600.0
"""The generator has deadlines of its own, all of them shorter: this is for one that hangs."""

Setting = str | int | float


class GeneratorError(Exception):
    """The generator could not be built, or ended without figures. Says why in one line."""


def missing() -> str | None:
    """Return what the generator cannot be built without, in words; ``None`` if it is all there."""
    if shutil.which(COMPILER) is None:
        return f"there is no C compiler: {COMPILER!r} is not on the PATH"
    if not _has_epoll():
        return "the load generator needs Linux: it waits with epoll"
    return None


def available() -> bool:
    """Return whether :func:`run` can be expected to work here."""
    return missing() is None


def built() -> Path:
    """Return the program, built if these sources were not built before.

    Raises:
        GeneratorError: There is no compiler, or it refused.
    """
    reason = missing()
    if reason is not None:
        raise GeneratorError(reason)
    program = BUILT / f"generator-{_digest()}"
    if not program.exists():
        _build(program)
    return program


def run(
    scenario: str,
    settings: Mapping[str, Setting],
    *,
    prefix: Sequence[str] = (),
    seconds_max: float = RUN_SECONDS,
) -> dict[str, Any]:
    """Run the generator once and return its figures.

    Args:
        scenario: such as ``fanout``.
        settings: the other arguments, such as ``{"dialect": "ws", "port": 4000}``.
        prefix: a command that runs it, such as ``("taskset", "-c", "1")``.
        seconds_max: when it is killed.
    Raises:
        GeneratorError: It could not be built, ended with an error or was killed.
    """
    asked = [f"{name}={value}" for name, value in settings.items()]
    command = [*prefix, str(built()), *asked, scenario]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds_max, check=False
        )
    except subprocess.TimeoutExpired as hung:
        raise GeneratorError(f"the generator did not end within {seconds_max:g} s") from hung
    if done.returncode != 0:
        raise GeneratorError(done.stderr.strip() or f"exit status {done.returncode}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _has_epoll() -> bool:
    return os.uname().sysname == "Linux"


def _digest() -> str:
    """Return what tells one build from another: every source and how it is compiled."""
    found = hashlib.sha256(" ".join((COMPILER, *FLAGS)).encode())
    for source in sorted(SOURCES.glob("*.[ch]")):
        found.update(source.name.encode() + source.read_bytes())
    return found.hexdigest()[:16]


def _build(program: Path) -> None:
    """Compile to a folder beside ``program`` first, so that nobody runs half a program."""
    BUILT.mkdir(exist_ok=True)
    sources = [str(source) for source in sorted(SOURCES.glob("*.c"))]
    with tempfile.TemporaryDirectory(dir=BUILT) as folder:
        fresh = Path(folder) / "generator"
        command = [COMPILER, *FLAGS, "-o", str(fresh), *sources]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as hung:
            raise GeneratorError(f"{COMPILER} did not end within {BUILD_SECONDS:g} s") from hung
        if done.returncode != 0:
            raise GeneratorError(f"{COMPILER} refused the generator:\n{done.stderr.strip()}")
        fresh.replace(program)
