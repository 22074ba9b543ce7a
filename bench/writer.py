"""One realtime connection that writes messages and notes when each was answered."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from bench.server import Server

SUBPROTOCOL = "parley.v1+json"
PADDING = "x" * 80
"""Makes a text of about 100 bytes: a line of chat."""


class Writer:
    """A connection, its conversation, and the history of what it wrote there."""

    def __init__(self, connection: WebSocketConnection, conversation: str) -> None:
        self._connection = connection
        self.conversation = conversation
        self.intended: list[float] = []
        """When each message was to be sent, on trio's clock."""
        self.answered: dict[int, float] = {}
        self.versions: dict[int, int] = {}
        self.errors: list[str] = []
        self.answers = trio.Semaphore(0)

    def text(self, at: int) -> str:
        """Return the text of the writer's ``at``-th message."""
        return f"{self.conversation} {at} {PADDING}"

    async def send(self, intended: float) -> None:
        """Send the next message, which was to be sent at ``intended``."""
        at = len(self.intended)
        self.intended.append(intended)
        await self._connection.send_message(
            f'{{"op":"message.create","ref":{at},"conversation":"{self.conversation}",'
            f'"message":{{"text":"{self.text(at)}","idempotency_key":"{self.conversation}-{at}"}}}}'
        )

    async def listen(self) -> None:
        """Take answers until cancelled, or until the server leaves."""
        try:
            while True:
                text = await self._connection.get_message()
                self._take(json.loads(text))
        except ConnectionClosed as error:
            self.errors.append(str(error))

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["op"] == "ok":
            self.answered[frame["ref"]] = trio.current_time()
            self.versions[frame["ref"]] = frame["version"]
            self.answers.release()
        elif frame["op"] not in {"ready", "ping"}:
            self.errors.append(json.dumps(frame)[:300])
            self.answers.release()

    def latencies(self, *, skip: int) -> list[float]:
        """Return the seconds from the intended sending of each message to its answer."""
        return [
            answered - self.intended[at] for at, answered in self.answered.items() if at >= skip
        ]


@asynccontextmanager
async def writing(server: Server, conversations: list[str]) -> AsyncIterator[list[Writer]]:
    """Open one connection for each conversation, with one message written and answered."""
    headers = [(b"Authorization", server.authorization.encode())]
    async with trio.open_nursery() as nursery:
        writers: list[Writer] = []
        ready = trio.Semaphore(0)
        leave = trio.Event()

        async def connected(name: str) -> None:
            async with open_websocket_url(
                server.realtime_url, subprotocols=[SUBPROTOCOL], extra_headers=headers
            ) as connection:
                writer = Writer(connection, name)
                writers.append(writer)
                async with trio.open_nursery() as own:
                    own.start_soon(writer.listen)
                    await writer.send(trio.current_time())
                    await writer.answers.acquire()
                    ready.release()
                    await leave.wait()
                    own.cancel_scope.cancel()

        for name in conversations:
            nursery.start_soon(connected, name)
        for _ in conversations:
            await ready.acquire()
        yield writers
        leave.set()
