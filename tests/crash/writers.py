"""Writers that keep a history of what they asked for and what they were told."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import trio
from trio_websocket import HandshakeError

from tests.support.processes import Sandbox
from tests.support.realtime import LineClosedError, Talk, talking

WINDOW = 8
"""Messages one realtime writer has under way."""


@dataclass(frozen=True)
class Asked:
    """A message that a writer wanted written."""

    conversation: str
    key: str

    @property
    def body(self) -> dict[str, Any]:
        return {
            "text": f"the text of {self.key}",
            "author": {"type": "user", "id": "usr_writer"},
            "idempotency_key": self.key,
        }


@dataclass(frozen=True)
class Acked:
    """What the server said about it, which it may never take back."""

    message_id: str
    version: int


@dataclass
class History:
    """Everything that was asked, and every answer that arrived."""

    asked: list[Asked] = field(default_factory=list)
    acked: dict[Asked, Acked] = field(default_factory=dict)
    first_ack: trio.Event = field(default_factory=trio.Event)
    at_next_ack: Callable[[], None] | None = None
    """Called once, while the ink of an answer is wet."""

    def ask(self, asked: Asked) -> Asked:
        self.asked.append(asked)
        return asked

    def ack(self, asked: Asked, answer: dict[str, Any]) -> None:
        self.acked[asked] = Acked(answer["id"], answer["version"])
        self.first_ack.set()
        if self.at_next_ack is not None:
            self.at_next_ack()
            self.at_next_ack = None

    @property
    def unknown(self) -> list[Asked]:
        """What was asked and never answered."""
        return [asked for asked in self.asked if asked not in self.acked]


def wishes(name: str, conversations: list[str]) -> Iterator[Asked]:
    """Yield messages of one writer without an end, over the conversations in turn."""
    for at in itertools.count():
        yield Asked(conversations[at % len(conversations)], f"{name}-{at}")


async def write_by_rest(server: Sandbox, history: History, wanted: Iterator[Asked]) -> None:
    """Post one message after the other until the server is gone."""
    async with server.client() as client:
        for wish in wanted:
            asked = history.ask(wish)
            try:
                history.ack(asked, await post(client, asked))
            except (httpx2.TransportError, UnavailableError):
                return


async def write_by_socket(server: Sandbox, history: History, wanted: Iterator[Asked]) -> None:
    """Send messages, some at a time, until the server is gone."""
    try:
        async with talking(server.realtime_url, server.key) as talk:
            await _keep_sending(talk, history, wanted)
    except* (OSError, HandshakeError, LineClosedError):
        pass


async def _keep_sending(talk: Talk, history: History, wanted: Iterator[Asked]) -> None:
    under_way: dict[str, Asked] = {}
    for wish in wanted:
        asked = under_way[wish.key] = history.ask(wish)
        await talk.say(
            "message.create", ref=asked.key, conversation=asked.conversation, message=asked.body
        )
        while len(under_way) >= WINDOW:
            answer = await talk.hear()
            if answer["op"] == "bye":
                return
            assert answer["op"] == "ok", answer
            history.ack(under_way.pop(answer["ref"]), answer)


class UnavailableError(Exception):
    """The server said that it could not carry it out, or does not know."""


async def post(client: httpx2.AsyncClient, asked: Asked) -> dict[str, Any]:
    """Post one message and return the answer."""
    path = f"/v1/conversations/{asked.conversation}/messages"
    answer = await client.post(path, content=json.dumps(asked.body), headers=JSON)
    if answer.status_code >= 500:
        raise UnavailableError(answer.text)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


JSON = {"Content-Type": "application/json"}
