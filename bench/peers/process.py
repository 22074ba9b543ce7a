"""Starts a server as a process of its own, waits until it says that it is ready, and ends it."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import Cores, pinned

START_SECONDS = 20.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.005
"""How often is looked whether it is ready."""

OUTPUT = "output.txt"
"""What the server says, in its folder: a file never fills up as a pipe does."""


class NotReadyError(Exception):
    """A server ended, or stayed silent, before it was ready."""


@dataclass(frozen=True)
class Started:
    """A server that runs."""

    pid: int
    said: re.Match[str]
    """What ``ready`` matched."""


@contextmanager
def started(
    command: Sequence[str],
    folder: Path,
    ready: re.Pattern[str],
    *,
    environment: Mapping[str, str],
    cores: Cores = None,
) -> Iterator[Started]:
    """Run a server until the end of the block.

    Args:
        command: the program and its arguments; the process must be the server itself.
        folder: its working directory.
        ready: what it says when it takes connections.
        environment: its variables, all of them.
        cores: those it may run on.

    Raises:
        NotReadyError: it was not ready in ``START_SECONDS``.
    """
    output = folder / OUTPUT
    with output.open("wb") as sink:
        with pinned(cores):
            process = subprocess.Popen(
                command, stdout=sink, stderr=subprocess.STDOUT, cwd=folder, env=environment
            )
        with process:
            try:
                yield Started(process.pid, _ready(process, output, ready))
            finally:
                _end(process)


def _ready(process: subprocess.Popen[bytes], output: Path, ready: re.Pattern[str]) -> re.Match[str]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        ended = process.poll() is not None
        text = output.read_text(encoding="utf-8", errors="replace")
        said = ready.search(text)
        if said is not None:
            return said
        if ended or time.monotonic() > deadline:
            raise NotReadyError(f"the server did not become ready\n{text}")
        time.sleep(LOOK_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
