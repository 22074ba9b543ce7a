"""What a session needs of an accepted WebSocket: a seam, so that servers can differ."""

from typing import Protocol

from gateway.fanout.outlet import Outlet


class Line(Outlet, Protocol):
    """The server's side of one WebSocket. Its session is told of messages, and of its end."""

    framed: bool
    """Whether events reach it framed as WebSocket messages already."""

    silent: bool
    """Set to ``True`` by the session; ``False`` as soon as anything was sent."""

    def offer(self, frame: bytes) -> bool:
        """Take a frame that is worth nothing later, if there is room; say whether it was taken."""

    def close(self, code: int, reason: str) -> None:
        """Close with ``code`` when everything before it has been sent. A second call is ignored."""

    def pause(self) -> None:
        """Read no more: the peer has said enough for now."""

    def resume(self) -> None:
        """Read on."""
