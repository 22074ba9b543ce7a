"""Readers of SSE and NDJSON answers, by the bytes of each event, straight from the socket."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import trio

from tests.support.answers import PATIENCE_SECONDS

NDJSON = {"Accept": "application/x-ndjson"}
SSE = {"Accept": "text/event-stream"}


class Events:
    """An open stream; each event is read as the JSON bytes it was sent as."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        """Read the answer that comes over ``stream``."""
        self._stream = stream
        self._received = bytearray()
        self._lines: deque[bytes] = deque()
        self._part = b""
        self.status = 0
        self.headers = httpx2.Headers()
        self.is_sse = False
        self.ids: list[str] = []
        """The ``id:`` of each SSE event."""
        self.retries: list[str] = []

    async def raw(self, number: int) -> list[bytes]:
        """Return the next ``number`` events."""
        found: list[bytes] = []
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.checkpoint()
            while len(found) < number:
                line = await self._line()
                assert line is not None, "the stream has ended"
                event = self._event_in(line)
                if event:
                    found.append(event)
        return found

    async def take(self, number: int) -> list[dict[str, Any]]:
        """Return the next ``number`` events, decoded."""
        return [msgspec.json.decode(event) for event in await self.raw(number)]

    async def versions(self, number: int) -> list[int]:
        """Return the versions of the next ``number`` events."""
        return [event["version"] for event in await self.take(number)]

    async def rest(self) -> list[bytes]:
        """Return every line that is not empty until the server ends the stream."""
        found = []
        with trio.fail_after(PATIENCE_SECONDS):
            while (line := await self._line()) is not None:
                found.append(line)
        return [line for line in found if line]

    async def read_head(self) -> None:
        """Read the status and the headers."""
        head = await self._until(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(status_line.split()[1])
        self.headers = httpx2.Headers(
            [(n, v.strip()) for n, _, v in (x.partition(":") for x in lines)]
        )
        self.is_sse = self.headers["content-type"].startswith("text/event-stream")

    async def _line(self) -> bytes | None:
        while not self._lines:
            size = int(await self._until(b"\r\n"), 16)
            if size == 0:
                return None
            while len(self._received) < size + 2:
                await self._more()
            *whole, self._part = (self._part + self._received[:size]).split(b"\n")
            self._lines += whole
            del self._received[: size + 2]
        return self._lines.popleft()

    async def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            await self._more()
        found, _, self._received = self._received.partition(end)
        return bytes(found)

    async def _more(self) -> None:
        more = await self._stream.receive_some()
        assert more, "closed within the answer"
        self._received += more

    def _event_in(self, line: bytes) -> bytes | None:
        if not self.is_sse:
            return line
        name, _, value = line.partition(b": ")
        if name == b"id":
            self.ids.append(value.decode())
        elif name == b"retry":
            self.retries.append(value.decode())
        return value if name == b"data" else None


@asynccontextmanager
async def following(
    client: httpx2.AsyncClient, path: str, headers: dict[str, str] | None = None, **query: str
) -> AsyncIterator[Events]:
    """Open a stream as ``client`` would, and leave it with the block."""
    request = client.build_request("GET", path, params=query or None, headers=headers or NDJSON)
    lines = [b"GET " + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    stream = await trio.open_tcp_stream(request.url.host, request.url.port or 80)
    async with stream:
        await stream.send_all(b"\r\n".join(lines) + b"\r\n\r\n")
        events = Events(stream)
        with trio.fail_after(PATIENCE_SECONDS):
            await events.read_head()
        assert events.status == httpx2.codes.OK
        yield events
