"""Parley itself, whole: a ``parley dev`` with a process and a data folder of its own.

Every message is authenticated, checked, sealed, appended and forced to disk before it is answered.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec

from bench.messages import Kept
from bench.peers.target import Answer, Delivery, Heard, Refusal

NAME = "parley"
START_SECONDS = 20.0
STOP_SECONDS = 20.0
READ_SECONDS = 20.0
PAGE = 200
FIRST_VERSION = 2
"""The first message of a conversation comes behind ``conversation.created``."""


class _Message(msgspec.Struct):
    text: str = ""


class _Event(msgspec.Struct):
    type: str
    data: _Message


class _Frame(msgspec.Struct):
    op: str
    ref: int | None = None
    version: int | None = None
    event: _Event | None = None


_DECODER = msgspec.json.Decoder(_Frame)


@dataclass(frozen=True)
class RunningParley:
    """A sandbox that serves."""

    pid: int
    folder: Path
    address: tuple[str, int]
    key: str
    client: httpx2.Client
    """Reads back, between loads."""
    first_version: int = FIRST_VERSION

    def upgrade(self, key: str) -> bytes:
        return (
            f"GET /v1/realtime HTTP/1.1\r\nHost: {self.address[0]}\r\n"
            f"Authorization: Bearer {self.key}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: parley.v1+json\r\n\r\n"
        ).encode("ascii")

    def post(self, ref: int, conversation: str, text: str) -> bytes:
        message = _message(text)
        return (
            f'{{"op":"message.create","ref":{ref},"conversation":"{conversation}",'
            f'"message":{message}}}'
        ).encode("ascii")

    def subscribe(self, ref: int, conversation: str) -> bytes:
        return f'{{"op":"subscribe","ref":{ref},"conversation":"{conversation}"}}'.encode("ascii")

    def heard(self, payload: bytes) -> Heard:
        frame = _DECODER.decode(payload)
        if frame.event is not None and frame.version is not None:
            return Delivery(frame.version, frame.event.data.text)
        if frame.op == "ok" and frame.ref is not None and frame.version is not None:
            return Answer(frame.ref, frame.version)
        if frame.op in {"ready", "ping"}:
            return None
        return Refusal(frame.ref, payload[:300].decode())

    def request(self, ref: int, conversation: str, text: str) -> bytes:
        del ref  # an answer comes in turn
        body = _message(text)
        return (
            f"POST /v1/conversations/{conversation}/messages HTTP/1.1\r\n"
            f"Host: {self.address[0]}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode("ascii")

    def answered(self, ref: int, status: int, body: bytes) -> Answer | Refusal:
        if status != httpx2.codes.CREATED:
            return Refusal(ref, f"{status} {body[:300].decode()}")
        return Answer(ref, json.loads(body)["version"])

    def kept(self, conversation: str) -> list[Kept]:
        found: list[Kept] = []
        parameters: dict[str, str] = {"limit": str(PAGE)}
        path = f"/v1/conversations/{conversation}/messages"
        while True:
            page = self.client.get(path, params=parameters).raise_for_status().json()
            found += [Kept(message["version"], message["text"]) for message in page["data"]]
            if page["next"] is None:
                return found
            parameters["page"] = page["next"]


class Parley:
    """Starts sandboxes."""

    name = NAME

    @contextmanager
    def serving(self, folder: Path) -> Iterator[RunningParley]:
        command = [sys.executable, "-m", "gateway", "dev", "--json", "--no-seed"]
        command += ["--port", "0", "--data", str(folder / "data"), "--log-level", "warning"]
        settings = {name: text for name, text in os.environ.items() if "PARLEY_" not in name}
        with (
            (folder / "stderr.txt").open("wb") as stderr,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, cwd=folder, env=settings
            ) as process,
        ):
            try:
                ready = _ready(process, folder)
                parts, key = urlsplit(ready["url"]), ready["secret_key"]
                address = (str(parts.hostname), int(parts.port or 0))
                with httpx2.Client(
                    base_url=ready["url"],
                    headers={"Authorization": f"Bearer {key}", "Accept": "application/json"},
                    timeout=READ_SECONDS,
                ) as client:
                    yield RunningParley(process.pid, folder, address, key, client)
            finally:
                process.send_signal(signal.SIGTERM)
                _ended(process)


def _message(text: str) -> str:
    """Return a message whose idempotency key is its text without the padding."""
    key = text.rpartition(" ")[0].replace(" ", "-")
    return f'{{"text":"{text}","idempotency_key":"{key}"}}'


def _ready(process: subprocess.Popen[bytes], folder: Path) -> dict[str, Any]:
    assert process.stdout is not None
    deadline, line = time.monotonic() + START_SECONDS, b""
    while not line.endswith(b"\n"):
        left = max(0.0, deadline - time.monotonic())
        readable, _, _ = select.select([process.stdout], [], [], left)
        chunk = os.read(process.stdout.fileno(), 4096) if readable else b""
        if not chunk:
            said = (folder / "stderr.txt").read_text(encoding="utf-8")
            raise RuntimeError(f"the server did not become ready:\n{said}")
        line += chunk
    found: dict[str, Any] = json.loads(line)
    return found


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
