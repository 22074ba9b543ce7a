"""The way of bytes to one peer, without waiting: a seam between a connection and its socket."""

from typing import Protocol


class Channel(Protocol):
    """A connected peer. Nothing here waits; who must wait is called back."""

    talker: "Talker | None"
    """Who is told of it."""

    def send(self, data: bytes | memoryview) -> int:
        """Send what the peer takes now, and return how much that was.

        When that is not everything, ``writable`` of the connection is called once there is room.

        Raises:
            OSError: the connection has broken.
        """

    def pause(self) -> None:
        """Read no more."""

    def resume(self) -> None:
        """Read on."""

    def shut_down(self) -> None:
        """Say that nothing more will be sent; the peer may still be heard."""

    def abort(self) -> None:
        """End at once; harmless when it has ended."""


class Talker(Protocol):
    """What is told of a channel: a connection, and by that its tenant."""

    def received(self, data: bytes) -> None:
        """Bytes have come."""

    def ended(self) -> None:
        """The peer will say nothing more."""

    def writable(self) -> None:
        """There is room again after a ``send`` that was short."""

    def broken(self) -> None:
        """The connection has ended, whoever ended it: let everything go. Told once."""
