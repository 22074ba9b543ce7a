"""Rooms on Starlette: WebSockets that join one and post to it, and a POST that is answered.

Every member has a queue and a task that empties it, so one that reads slowly holds up nobody else.
"""

# Not a dependency of this tree: it has an interpreter of its own.
# mypy: disable-error-code="import-not-found"

import asyncio
from collections import defaultdict
from itertools import count
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

Queue = asyncio.Queue[str]
JSON = "application/json"
numbers = count(1)


class Room:
    """Members, by their queues, and how many messages there were."""

    def __init__(self) -> None:
        self.members: set[Queue] = set()
        self.seq = 0

    def post(self, message: dict[str, Any]) -> None:
        """Number a message and give it to every member."""
        self.seq += 1
        message["seq"] = self.seq
        text = orjson.dumps(message).decode()
        for queue in self.members:
            queue.put_nowait(text)


rooms: defaultdict[str, Room] = defaultdict(Room)


async def write(socket: WebSocket, queue: Queue) -> None:
    """Send what comes for one member."""
    while True:
        await socket.send_text(await queue.get())


async def realtime(socket: WebSocket) -> None:
    """Serve one member."""
    await socket.accept()
    queue: Queue = asyncio.Queue()
    writer = asyncio.create_task(write(socket, queue))
    joined: list[Room] = []
    try:
        while True:
            message = orjson.loads(await socket.receive_text())
            if "join" in message:
                joined.append(rooms[message["join"]])
                joined[-1].members.add(queue)
            else:
                rooms[message["room"]].post(message)
    except WebSocketDisconnect:
        pass
    finally:
        writer.cancel()
        for room in joined:
            room.members.discard(queue)


async def post(request: Request) -> Response:
    """Take one message, which nobody waits for."""
    message = orjson.loads(await request.body())
    if not isinstance(message.get("text"), str):
        return Response(b'{"error":"a text is missing"}', 422, media_type=JSON)
    return Response(orjson.dumps({"seq": next(numbers)}), 201, media_type=JSON)


app = Starlette(
    routes=[
        Route("/messages", post, methods=["POST"]),
        WebSocketRoute("/", realtime),
    ]
)
