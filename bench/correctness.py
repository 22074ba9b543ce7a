"""A fast answer that is wrong is worth nothing: every run is read back and counted."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx2

from bench.server import Server
from bench.writer import Writer

PAGE = 200


@dataclass
class Counts:
    """What became of the messages of a run."""

    sent: int = 0
    acked: int = 0
    unanswered: int = 0
    lost: int = 0
    """Acked, but not to be read, or not as they were acked."""
    doubled: int = 0
    disordered: int = 0
    """Versions with a gap, or messages of one connection out of the order they were sent in."""
    errors: int = 0

    @property
    def void(self) -> bool:
        return any((self.unanswered, self.lost, self.doubled, self.disordered, self.errors))


async def counted(server: Server, writers: list[Writer]) -> Counts:
    """Read every conversation back and compare it with what its writer was told."""
    counts = Counts()
    async with server.client() as client:
        for writer in writers:
            kept = await _messages(client, writer.conversation)
            _count(counts, writer, kept)
    return counts


def _count(counts: Counts, writer: Writer, kept: list[dict[str, Any]]) -> None:
    numbers = {writer.text(at): at for at in range(len(writer.intended))}
    versions = {numbers[message["text"]]: message["version"] for message in kept}
    order = [numbers[message["text"]] for message in kept]
    counts.sent += len(writer.intended)
    counts.acked += len(writer.versions)
    counts.unanswered += len(writer.intended) - len(writer.versions)
    counts.errors += len(writer.errors)
    counts.lost += sum(versions.get(at) != told for at, told in writer.versions.items())
    counts.doubled += sum(times - 1 for times in Counter(order).values())
    counts.disordered += sum(after <= before for before, after in pairwise(order))
    dense = list(range(2, len(kept) + 2))
    counts.disordered += [message["version"] for message in kept] != dense


async def _messages(client: httpx2.AsyncClient, conversation: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    following: str | None = None
    while True:
        parameters = {"limit": str(PAGE)} | ({"page": following} if following else {})
        answer = await client.get(f"/v1/conversations/{conversation}/messages", params=parameters)
        answer.raise_for_status()
        page = answer.json()
        found += page["data"]
        following = page["next"]
        if following is None:
            return found
