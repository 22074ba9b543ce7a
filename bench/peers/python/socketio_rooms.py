"""Rooms on python-socketio: "join" a room, "post" to it, and every member gets a "message"."""

# Not a dependency of this tree: it has an interpreter of its own.
# mypy: disable-error-code="import-not-found"

from collections import Counter
from typing import Any

import socketio

seqs: Counter[str] = Counter()
server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])


async def join(sid: str, room: str) -> None:
    """Let a client in."""
    await server.enter_room(sid, room)


async def post(sid: str, message: dict[str, Any]) -> None:
    """Number a message and send it to every member."""
    del sid  # its room is in the message
    room = message["room"]
    seqs[room] += 1
    message["seq"] = seqs[room]
    await server.emit("message", message, room=room)


server.on("join", join)
server.on("post", post)
app = socketio.ASGIApp(server)
