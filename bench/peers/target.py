"""The seam between the scenarios in Python and their server: start, connect, post and receive.

A server is one module with a :class:`Target`, and a line in ``TARGETS``. Its own words stay in
there: scenarios know conversations, messages and versions.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from bench.messages import Kept


class Answer(NamedTuple):
    """A request of this connection was granted."""

    ref: int
    version: int
    """Of the message that was written, or of the conversation that is followed."""


class Delivery(NamedTuple):
    """A message of a conversation that this connection follows."""

    version: int
    text: str


class Refusal(NamedTuple):
    """A request was refused, or the server said something that no load expects."""

    ref: int | None
    why: str


Heard = Answer | Delivery | Refusal | None
"""``None``: nothing that concerns a load, such as a heartbeat."""


class Running(Protocol):
    """A server that runs, and its dialect."""

    @property
    def pid(self) -> int:
        """The process whose time and memory are measured."""

    @property
    def folder(self) -> Path:
        """Where it keeps its data."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""

    @property
    def first_version(self) -> int:
        """The version of the first message of a conversation."""

    def upgrade(self, key: str) -> bytes:
        """Return the request that opens an authenticated WebSocket, with this handshake key."""

    def post(self, ref: int, conversation: str, text: str) -> bytes:
        """Return the WebSocket message that writes ``text``; its answer carries ``ref``."""

    def subscribe(self, ref: int, conversation: str) -> bytes:
        """Return the WebSocket message that follows a conversation from now on."""

    def heard(self, payload: bytes) -> Heard:
        """Return what a WebSocket message of the server means."""

    def kept(self, conversation: str) -> list[Kept]:
        """Return every message of a conversation, read back from the server, in its order."""


class Target(Protocol):
    """A server that can be started."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def conversing(self, folder: Path) -> AbstractContextManager[Running]:
        """Serve with its data below ``folder`` until the end of the block."""
