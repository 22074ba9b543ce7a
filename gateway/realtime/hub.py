"""Who is in which conversation right now: signals go around the log, from socket to socket."""

from collections import Counter
from typing import Protocol


class Member(Protocol):
    """A subscriber that can be given a signal."""

    def signal(self, frame: bytes) -> None:
        """Take it or drop it: a signal is worth nothing later."""


class Hub:
    """The members of every conversation of one environment."""

    def __init__(self) -> None:
        """Start empty."""
        self._members: dict[str, dict[Member, None]] = {}

    def join(self, conversation_id: str, member: Member) -> None:
        """Give ``member`` the signals of a conversation from now on."""
        self._members.setdefault(conversation_id, {})[member] = None

    def leave(self, conversation_id: str, member: Member) -> None:
        """Give it no more; harmless when it has left already."""
        members = self._members.get(conversation_id)
        if members:
            members.pop(member, None)
            if not members:
                del self._members[conversation_id]

    def signal(self, conversation_id: str, frame: bytes, *, sender: Member) -> None:
        """Hand the same bytes to every member but the sender."""
        for member in tuple(self._members.get(conversation_id, ())):
            if member is not sender:
                member.signal(frame)


class Hubs:
    """One hub per environment: two tenants' conversations never meet."""

    def __init__(self) -> None:
        """Start empty; ``sockets`` counts the open ones by subprotocol."""
        self.sockets: Counter[str] = Counter()
        self._hubs: dict[tuple[str, str], Hub] = {}

    def of(self, workspace: str, environment: str) -> Hub:
        """Return the hub of an environment."""
        return self._hubs.setdefault((workspace, environment), Hub())
