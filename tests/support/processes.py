"""Programs of ours, run as people run them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import trio

START_SECONDS = 20
STOP_SECONDS = 20
POLL_SECONDS = 0.02
PARLEY = (sys.executable, "-m", "gateway")


def surroundings(**settings: str) -> dict[str, str]:
    """Return an environment without anybody's ``PARLEY_*``, but for these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return kept | settings


class Program:
    """A process that is running, with what it has printed so far."""

    def __init__(self, process: trio.Process, stderr: Path) -> None:
        self.process = process
        self._stderr = stderr
        self._printed = b""

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(encoding="utf-8")

    async def line(self) -> str:
        """Return the next line of its standard output."""
        with trio.fail_after(START_SECONDS):
            await trio.lowlevel.checkpoint()
            while b"\n" not in self._printed:
                chunk = await self._more()
                assert chunk, f"it ended without another line:\n{self.stderr}"
        line, _, self._printed = self._printed.partition(b"\n")
        return line.decode()

    async def rest(self) -> str:
        """Return what it prints until it ends."""
        with trio.fail_after(STOP_SECONDS):
            while await self._more():
                pass
        return self._printed.decode()

    async def logged(self, words: str) -> None:
        """Wait until ``words`` stand on its standard error."""
        with trio.fail_after(START_SECONDS):
            await trio.lowlevel.checkpoint()
            while words not in self.stderr:
                assert self.process.poll() is None, self.stderr
                await trio.sleep(POLL_SECONDS)

    async def ended(self) -> int:
        with trio.fail_after(STOP_SECONDS):
            return await self.process.wait()

    async def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """Send SIGKILL: nothing in the process hears of it."""
        self.process.kill()
        await self.ended()

    async def _more(self) -> bytes:
        assert self.process.stdout is not None
        chunk = await self.process.stdout.receive_some()
        self._printed += chunk
        return bytes(chunk)


@asynccontextmanager
async def running(
    *command: str, folder: Path, settings: dict[str, str] | None = None
) -> AsyncIterator[Program]:
    """Run ``command`` in ``folder``, where its standard error is kept too; kill it in the end."""
    kept = _errors_of(folder)
    with kept.open("wb") as stderr:
        process = await trio.lowlevel.open_process(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,
            env=surroundings(**settings or {}),
        )
    try:
        yield Program(process, kept)
    finally:
        if process.poll() is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
        if process.stdout is not None:
            await process.stdout.aclose()


def _errors_of(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "stderr.txt"


@dataclass(frozen=True)
class Sandbox:
    """A ``parley dev`` in a process of its own."""

    program: Program
    ready: dict[str, Any]

    @property
    def url(self) -> str:
        url: str = self.ready["url"]
        return url

    @property
    def realtime_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/realtime"

    @property
    def key(self) -> str:
        key: str = self.ready["secret_key"]
        return key

    def client(self, key: str | None = None) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20)


@asynccontextmanager
async def sandbox(folder: Path, *more: str, seed: bool = False) -> AsyncIterator[Sandbox]:
    """Run ``parley dev`` on ``folder/data`` at a free port."""
    options = ["--json", "--port", "0", "--data", str(folder / "data"), *more]
    if not seed:
        options.append("--no-seed")
    async with running(*PARLEY, "dev", *options, folder=folder) as program:
        yield Sandbox(program, json.loads(await program.line()))
