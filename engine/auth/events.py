"""What the Auth API publishes."""

from typing import ClassVar

from engine.feature import Payload


class KeyCreated(Payload, frozen=True):
    """A secret key was made. Only the SHA-256 of the key is kept."""

    type_name: ClassVar[str] = "key.created"

    id: str
    name: str
    environment: str
    """``live``, ``test`` or ``workspace`` (an admin key)."""
    scopes: list[str]
    sha256: str
    """64 hexadecimal characters."""
    hint: str
    """The last four characters, to tell keys apart in a list."""


class WorkspaceCreated(Payload, frozen=True):
    """A tenant was made. It stands on the workspace's own log."""

    type_name: ClassVar[str] = "workspace.created"

    id: str
    name: str
    """For people; two workspaces may have the same."""


EVENTS = (KeyCreated, WorkspaceCreated)
