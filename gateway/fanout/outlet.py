"""What rooms and sessions need of the way to one client: a seam, so that servers can differ."""

from collections.abc import Sequence
from typing import Protocol


class ClosedOutletError(Exception):
    """The client is gone, or is being said goodbye to: it is fed no more."""


class Outlet(Protocol):
    """The bytes on their way to one client, within bounds."""

    def take(self, joined: bytes, frames: Sequence[bytes]) -> bool:
        """Take live frames if there is room for all of them; say whether they were taken.

        Args:
            joined: all frames as they go over the wire, one behind the other; the same bytes for
                every client of a room.
            frames: the same, one by one, for a way that needs them so; may be empty where the form
                is ``joinable``.
        """

    def answer(self, frame: bytes) -> None:
        """Take a frame that cannot be read again from the log: an answer or a farewell."""

    async def has_room(self) -> None:
        """Wait until the client has taken most of what waits for it.

        Raises:
            ClosedOutletError: it will take nothing more.
        """

    def fail(self) -> None:
        """End the connection so that the client tries again: the log cannot be read for it."""


class StreamOutlet(Outlet, Protocol):
    """The way of an open stream to its client."""

    chunked: bool
    """Whether every frame must be a chunk of its own."""

    silent: bool
    """Set to ``True`` by the stream; ``False`` as soon as anything was sent."""

    def finish(self) -> None:
        """End the answer when everything before it has been sent."""
