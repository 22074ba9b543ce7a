"""Parley itself, whole: a ``parley dev`` with a process and a data folder of its own.

Every message is authenticated, checked, sealed, appended and forced to disk before it is answered,
except where the store is ``memory``: then it is all of that but appended and forced to disk.
"""

import json
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx2
import msgspec

from bench.machine import Cores
from bench.messages import Kept
from bench.peers.peer import Serving, environment
from bench.peers.process import started
from bench.peers.target import Answer, Delivery, Heard, Refusal

NAME = "Parley"
READY = re.compile(r'^\{"url".*\}$', re.MULTILINE)
MADE_OF = ("trio", "apsw", "msgspec", "pynacl")
RAISED_CAPS = (
    *("--max-connections", "30000"),
    *("--max-connections-per-address", "0"),
    *("--max-connections-per-key", "0"),
)
"""All connections of a load come from one address, with one key."""

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
    """A sandbox that serves, and what the scenarios in Python say to it."""

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


@dataclass(frozen=True)
class Parley:
    """Starts sandboxes of one kind."""

    name: str = NAME
    server: Literal["front_door", "hypercorn"] = "front_door"
    store: Literal["sqlite", "memory"] = "sqlite"
    dialect: str = "parley"

    @property
    def durable(self) -> bool:
        return self.store == "sqlite"

    def install(self) -> Mapping[str, str]:
        """Return the versions; this tree is installed already."""
        server = ("hypercorn",) if self.server == "hypercorn" else ("httptools",)
        found = {name: version(name) for name in (*MADE_OF, *server)}
        return {"parley": version("parley"), "python": platform.python_version()} | found

    @contextmanager
    def serving(self, folder: Path, cores: Cores) -> Iterator[Serving]:
        """Start one; see :class:`bench.peers.peer.Peer`."""
        with self._started(folder, cores) as (pid, told):
            port = urlsplit(told["url"]).port or 0
            yield Serving(pid, port, told["secret_key"], told["admin_key"])

    @contextmanager
    def conversing(self, folder: Path) -> Iterator[RunningParley]:
        """Start one; see :class:`bench.peers.target.Target`."""
        with (
            self._started(folder, None) as (pid, told),
            httpx2.Client(
                base_url=told["url"],
                headers={
                    "Authorization": f"Bearer {told['secret_key']}",
                    "Accept": "application/json",
                },
                timeout=READ_SECONDS,
            ) as client,
        ):
            parts = urlsplit(told["url"])
            address = (str(parts.hostname), int(parts.port or 0))
            yield RunningParley(pid, folder, address, told["secret_key"], client)

    @contextmanager
    def _started(self, folder: Path, cores: Cores) -> Iterator[tuple[int, dict[str, str]]]:
        command = [sys.executable, "-m", "gateway", "dev", "--json", "--no-seed"]
        command += ["--port", "0", "--data", str(folder / "data"), "--log-level", "warning"]
        command += ["--server", self.server, "--store", self.store, *RAISED_CAPS]
        variables = environment()
        with started(command, folder, READY, environment=variables, cores=cores) as process:
            yield process.pid, json.loads(process.said[0])


def _message(text: str) -> str:
    """Return a message whose idempotency key is its text without the padding."""
    key = text.rpartition(" ")[0].replace(" ", "-")
    return f'{{"text":"{text}","idempotency_key":"{key}"}}'
