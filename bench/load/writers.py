"""WebSockets that write messages, and know what became of each."""

import time
from collections.abc import Callable
from functools import partial

from bench.correctness import Posted
from bench.load.poller import Poller
from bench.load.websocket import WebSocket
from bench.messages import Key, text_of
from bench.peers.target import Answer, Delivery, Heard, Refusal, Running

FIRST_ANSWER_SECONDS = 20.0
SUBSCRIPTIONS_AT_ONCE = 100
"""Asked for together; a server may refuse to have more of them wait for one conversation."""

OnAnswered = Callable[["Writer", float, float], None]
"""Called with the writer, when the message was to be sent, and when it was answered."""


class UnansweredError(Exception):
    """The server did not answer what a load begins with."""


class Writer:
    """One author in one conversation."""

    def __init__(self, posted: Posted, author: int = 0) -> None:
        self.posted = posted
        self.author = author
        self.sent = 0
        self.on_answered: OnAnswered | None = None
        self._socket: Socket | None = None

    def over(self, socket: "Socket") -> None:
        """Send over ``socket`` from now on."""
        self._socket = socket

    def send(self, intended: float) -> None:
        """Send the next message, which was to be sent at ``intended``."""
        assert self._socket is not None, "a writer without a connection"
        key = Key(self.author, self.sent)
        self.sent += 1
        self.posted.intended[key] = intended
        self._socket.send(
            key.number, self.posted.conversation, text_of(self.posted.conversation, key)
        )

    def heard(self, heard: Answer | Refusal) -> None:
        """Take an answer."""
        now = time.perf_counter()
        if isinstance(heard, Refusal):
            self.posted.errors.append(heard.why)
            return
        key = Key(self.author, heard.ref)
        self.posted.acked(key, heard.version)
        intended = self.posted.intended.get(key)
        if self.on_answered is not None and intended is not None:
            self.on_answered(self, intended, now)

    def failed(self, why: str) -> None:
        """Note that the connection is gone."""
        self.posted.errors.append(why)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


class Socket:
    """A WebSocket that writes for a writer, and may follow conversations."""

    def __init__(self, poller: Poller, running: Running, writer: Writer | None = None) -> None:
        """Connect; see :class:`bench.load.websocket.WebSocket`."""
        self.closed: list[str] = []
        self.followed: dict[int, int] = {}
        """Answers to subscriptions: ref → version of the conversation."""
        self.on_delivery: Callable[[Delivery], None] | None = None
        self._running = running
        self._writer = writer
        self._socket = WebSocket(
            poller,
            running.address,
            running.upgrade,
            on_payload=self._take,
            on_closed=self._closed,
        )
        if writer is not None:
            writer.over(self)

    def send(self, ref: int, conversation: str, text: str) -> None:
        self._socket.send(self._running.post(ref, conversation, text))

    def follow(self, ref: int, conversation: str) -> None:
        """Subscribe. ``ref`` is below 0, since those from 0 on are a writer's."""
        assert ref < 0, "this ref may be a message's"
        self._socket.send(self._running.subscribe(ref, conversation))

    def close(self) -> None:
        self._socket.close()

    def _take(self, payload: bytes) -> None:
        heard: Heard = self._running.heard(payload)
        if isinstance(heard, Delivery):
            if self.on_delivery is not None:
                self.on_delivery(heard)
        elif isinstance(heard, Answer) and heard.ref < 0:
            self.followed[heard.ref] = heard.version
        elif heard is not None and self._writer is not None:
            self._writer.heard(heard)
        elif heard is not None:
            self._closed(f"not expected: {heard}")

    def _closed(self, why: str) -> None:
        self.closed.append(why)
        if self._writer is not None:
            self._writer.failed(why)


def settle(poller: Poller, done: Callable[[], bool], what: str) -> None:
    """Serve until ``done()``.

    Raises:
        UnansweredError: that took longer than ``FIRST_ANSWER_SECONDS``.
    """
    poller.run_until(time.perf_counter() + FIRST_ANSWER_SECONDS, enough=done)
    if not done():
        raise UnansweredError(f"no answer within {FIRST_ANSWER_SECONDS:g} s: {what}")


def follow_all(poller: Poller, wanted: list[tuple[Socket, str]], ref: int) -> None:
    """Subscribe each socket to its conversation, some at a time.

    Raises:
        UnansweredError: one of them was refused, or not answered in time.
    """
    for at in range(0, len(wanted), SUBSCRIPTIONS_AT_ONCE):
        some = wanted[at : at + SUBSCRIPTIONS_AT_ONCE]
        for follower, conversation in some:
            follower.follow(ref, conversation)
        sockets = [follower for follower, _ in some]
        settle(poller, partial(_followed, sockets, ref), "subscriptions")
        refused = [why for follower in sockets for why in follower.closed]
        if refused:
            raise UnansweredError(refused[0])


def _followed(sockets: list[Socket], ref: int) -> bool:
    return all(ref in follower.followed or follower.closed for follower in sockets)


def begin(poller: Poller, writers: list[Writer]) -> None:
    """Write the first message of each, which makes its conversation and is not measured."""
    for writer in writers:
        writer.send(time.perf_counter())
    settle(poller, lambda: all(writer.posted.settled for writer in writers), "the first messages")
