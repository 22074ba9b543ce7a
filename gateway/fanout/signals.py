"""What goes around the log, from socket to socket: worth something now, and nothing later. Pure."""

from dataclasses import dataclass, field
from typing import Any, Protocol


class Encoding(Protocol):
    """How a connection's frames are written."""

    @property
    def subprotocol(self) -> str:
        """Return its name."""

    def encode(self, op: str, members: dict[str, Any]) -> bytes:
        """Return a frame of the server."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal to the members of a conversation; its bytes are made once an encoding."""

    kind: str
    conversation: str
    members: dict[str, Any]
    staff_only: bool = False
    _frames: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def frame(self, encoding: Encoding) -> bytes:
        """Return its bytes: the same ones for everybody who speaks ``encoding``."""
        frame = self._frames.get(encoding.subprotocol)
        if frame is None:
            head = {"kind": self.kind, "conversation": self.conversation}
            frame = encoding.encode("signal", head | self.members)
            self._frames[encoding.subprotocol] = frame
        return frame
