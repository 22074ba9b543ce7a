"""What a session needs of a socket: a seam, so that servers can be changed under it."""

from typing import Protocol


class PeerLeftError(Exception):
    """The other side is gone; there is nobody to tell anything."""


class Transport(Protocol):
    """One accepted WebSocket."""

    async def receive(self) -> bytes | str:
        """Return the next whole message. Raises ``PeerLeftError`` when the peer has left."""

    async def send(self, frames: list[bytes]) -> None:
        """Send each of ``frames`` as one message, in order."""

    async def close(self, code: int, reason: str) -> None:
        """Close with ``code``; harmless when the peer has left."""
