"""The server under measurement: a ``parley dev`` with a process and a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import trio

START_SECONDS = 20
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A server that runs, and what it costs."""

    pid: int
    url: str
    key: str
    data: Path

    @property
    def realtime_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/realtime"

    @property
    def authorization(self) -> str:
        return f"Bearer {self.key}"

    def client(self) -> httpx2.AsyncClient:
        headers = {"Authorization": self.authorization, "Accept": "application/json"}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20)

    def cpu_seconds(self) -> float:
        """Return the processor time it has used so far, in user and kernel mode."""
        text = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS

    def resident_bytes(self) -> int:
        """Return the memory it has in use."""
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """Serve a fresh folder below the folder for temporary files; remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-m", "gateway", "dev", "--json", "--no-seed"]
        command += ["--port", "0", "--data", str(data), "--log-level", "warning"]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        try:
            ready = json.loads(await _line(process))
            yield Server(process.pid, ready["url"], ready["secret_key"], data)
        finally:
            process.send_signal(signal.SIGTERM)
            with trio.CancelScope(shield=True):
                await process.wait()


async def _line(process: trio.Process) -> bytes:
    assert process.stdout is not None
    line = b""
    with trio.fail_after(START_SECONDS):
        await trio.lowlevel.checkpoint()
        while not line.endswith(b"\n"):
            chunk = await process.stdout.receive_some()
            assert chunk, "the server ended before it was ready"
            line += chunk
    return line
