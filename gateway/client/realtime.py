"""Follows the events of a server over its WebSocket, each once and in order, for ever (shell).

.. code-block:: python

    async with following(url, key, events=["message.*"]) as events:
        async for received in events:
            print(received.event.type, received.event.data)

A connection that is lost is opened again, and events go on exactly behind the last one.
"""

import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
)

from gateway.client import frames
from gateway.client.connection import connected
from gateway.client.frames import BadFrameError, Frame, Problem, Received
from gateway.client.pauses import Pauses, realtime_url
from gateway.limits import CONNECT_SECONDS, SILENT_HEARTBEATS

REF = "follow"
BEGINNING = "1970-01-01T00:00:00Z"
CLIENTS_OWN_FAULT = frozenset({4000, 4003})
"""Close codes after which the same client would be closed again."""

WORTH_REPEATING = frozenset({408, 425, 429})
SERVER_ERRORS = 500
UNREACHABLE = (
    HandshakeError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
)


class RefusedError(Exception):
    """The server will not have us: to try again would not help. The message says why."""

    def __init__(self, detail: str, *, status: int | None = None, code: str = "") -> None:
        """Keep the HTTP ``status`` and the problem's ``code``, as far as there are any."""
        super().__init__(detail)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Ready:
    """Events come in from now on."""

    environment: str
    audience: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone; it is opened again after a pause."""

    reason: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class Reset:
    """The log was replaced by another one: events go on from its beginning."""


State = Ready | Lost | Reset
OnState = Callable[[State], None]


@dataclass(frozen=True, slots=True)
class _Ended:
    """Why a connection has ended, and how long the server wants us to stay away."""

    reason: str
    asked_for_s: float | None = None


class Events:
    """The events of one subscription; an async iterator that ends only with an error."""

    def __init__(self, incoming: trio.MemoryReceiveChannel[Received]) -> None:
        """Read ``incoming`` until it is closed."""
        self._incoming = incoming
        self.refusal: RefusedError | None = None

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> Received:
        try:
            return await self._incoming.receive()
        except trio.EndOfChannel:
            if self.refusal is None:
                raise StopAsyncIteration from None
            raise self.refusal from None


class _Subscription:
    """What is followed, and behind which event."""

    def __init__(
        self, *, conversation: str | None, events: Sequence[str], after: str | int | None
    ) -> None:
        self._conversation = conversation
        self._events = list(events)
        self._after = None if after == "now" else after
        self._epoch: str | None = None
        self._asked_at: float | None = None

    def frame(self) -> str:
        now = trio.current_time()
        if self._asked_at is None:
            self._asked_at = now
        return frames.encode(
            "subscribe",
            ref=REF,
            conversation=self._conversation,
            events=None if self._conversation is not None else self._events or ["*"],
            after=self._behind(math.ceil(now - self._asked_at)),
            epoch=self._epoch,
        )

    def begun(self, answer: Frame) -> None:
        """Note where the server begins: a connection lost before the first event goes on there."""
        if answer.cursor is not None:
            self._after = answer.cursor
        elif self._after is None:
            self._after, self._epoch = answer.version, answer.epoch

    def wants(self, received: Received) -> bool:
        """Say whether the event is asked for; the server filters only where there are many."""
        if self._conversation is None or not self._events:
            return True
        return any(_matches(pattern, received.event.type) for pattern in self._events)

    def seen(self, received: Received) -> None:
        self._after, self._epoch = received.event.cursor, None

    def start_anew(self) -> None:
        self._after, self._epoch = BEGINNING, None

    def _behind(self, elapsed_s: int) -> str | int | None:
        """Return the position; one that counts from now stays where it was when first asked for."""
        if not elapsed_s or not isinstance(self._after, str) or not self._after.startswith("now-"):
            return self._after
        return _earlier(self._after, elapsed_s)


@asynccontextmanager
async def following(
    url: str,
    key: str,
    *,
    conversation: str | None = None,
    events: Sequence[str] = (),
    after: str | int | None = None,
    on_state: OnState = lambda state: None,  # noqa: ARG005 - nobody listens
) -> AsyncIterator[Events]:
    """Follow a conversation or a whole environment.

    Args:
        url: of the server (``https://parley.example.com``).
        key: a secret or an ephemeral key. It goes into a header, never into the URL.
        conversation: its id; ``None`` = the whole environment, for staff with ``events:read``.
        events: types like ``message.created`` or ``message.*``; none = all.
        after: any position (cursor, event id, time, ``now-1m``); ``None`` = from now on.
        on_state: told of connections that come and go; must not raise.

    Raises:
        ValueError: ``url`` is none of a server.
        RefusedError: from the iterator: the server will not have us.
    Cancellation: safe; what was not received yet comes again behind the last event's cursor.
    """
    address = realtime_url(url)
    subscription = _Subscription(conversation=conversation, events=events, after=after)
    outgoing, incoming = trio.open_memory_channel[Received](0)
    followed = Events(incoming)

    async def run() -> None:
        async with outgoing:
            try:
                await _follow(address, key, subscription, outgoing.send, on_state)
            except RefusedError as refusal:
                followed.refusal = refusal

    try:
        async with incoming, trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield followed
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:  # what the body raises reaches its caller as it was raised
            raise group.exceptions[0] from None  # noqa: ASYNC123 - the task beside it is ours
        raise


async def _follow(
    address: str,
    key: str,
    subscription: _Subscription,
    sink: Callable[[Received], Awaitable[None]],
    on_state: OnState,
) -> None:
    pauses = Pauses()

    def report(state: State) -> None:
        if isinstance(state, Ready):
            pauses.over()
        on_state(state)

    while True:
        ended = await _connected(address, key, _Dialogue(subscription, sink, report))
        pause_s = pauses.next_s(asked_for_s=ended.asked_for_s)
        on_state(Lost(ended.reason, pause_s))
        await trio.sleep(pause_s)


async def _connected(address: str, key: str, dialogue: "_Dialogue") -> _Ended:
    """Open one connection, speak on it until it ends, and return why it did.

    Raises:
        RefusedError: the server will not have us.
    """
    outcome: list[_Ended | RefusedError] = []
    try:
        async with connected(address, key) as socket:
            try:
                outcome.append(await dialogue.run(socket))
            except RefusedError as refusal:
                outcome.append(refusal)
    except* ConnectionRejected as rejections:
        outcome.append(_rejected(_first(rejections)))
    except* UNREACHABLE as failures:
        outcome.append(_unreachable(_first(failures)))
    ended = outcome[0]
    if isinstance(ended, RefusedError):
        raise ended
    return ended


class _Dialogue:
    """What is said on one connection."""

    def __init__(
        self,
        subscription: _Subscription,
        sink: Callable[[Received], Awaitable[None]],
        on_state: OnState,
    ) -> None:
        self._subscription = subscription
        self._sink = sink
        self._on_state = on_state
        self._silence_s = CONNECT_SECONDS
        self._ready = Frame("ready")

    async def run(self, socket: WebSocketConnection) -> _Ended:
        """Speak until the connection ends.

        Raises:
            RefusedError: the server will not have us.
        """
        try:
            while True:
                with trio.fail_after(self._silence_s):
                    frame = frames.decode(await socket.get_message())
                ended = await self._heard(socket, frame)
                if ended is not None:
                    return ended
        except trio.TooSlowError:
            return _Ended("the server says nothing any more")
        except BadFrameError as error:
            raise RefusedError(str(error)) from error
        except ConnectionClosed as closed:
            return _closed(closed)

    async def _heard(self, socket: WebSocketConnection, frame: Frame) -> _Ended | None:
        match frame.op:
            case "ready":
                self._ready = frame
                self._silence_s = frame.heartbeat_ms / 1000 * SILENT_HEARTBEATS
                await socket.send_message(self._subscription.frame())
            case "ping":
                await socket.send_message(frames.encode("pong"))
            case "ok" if frame.ref == REF:
                self._subscription.begun(frame)
                self._on_state(Ready(self._ready.environment, self._ready.audience))
            case "event":
                await self._event(frames.received(frame))
            case "reset":
                self._subscription.start_anew()
                self._on_state(Reset())
                await socket.send_message(self._subscription.frame())
            case "error":
                problem = frame.problem or Problem()
                ended = _refused(problem, problem.status)
                if isinstance(ended, RefusedError):
                    raise ended
                return ended
            case "bye":
                if not frame.reconnect:
                    raise RefusedError(frame.reason, code=str(frame.code or ""))
                return _Ended(frame.reason, frame.retry_after)
        return None

    async def _event(self, received: Received) -> None:
        if self._subscription.wants(received):
            await self._sink(received)
        self._subscription.seen(received)


def _refused(
    problem: Problem, status: int, asked_for_s: float | None = None
) -> _Ended | RefusedError:
    """Return how a refusal ends a connection: for good, unless the same may be granted later."""
    if status in WORTH_REPEATING or status >= SERVER_ERRORS:
        return _Ended(str(problem), asked_for_s)
    return RefusedError(str(problem), status=status, code=problem.code)


def _rejected(rejected: BaseException) -> _Ended | RefusedError:
    if not isinstance(rejected, ConnectionRejected):
        return _unreachable(rejected)
    headers = {name.lower(): value for name, value in rejected.headers}
    wait = headers.get(b"retry-after", b"").decode("latin-1")
    problem = frames.problem(rejected.body) or Problem(frames.NO_PARLEY)
    return _refused(problem, rejected.status_code, float(wait) if wait.isdecimal() else None)


def _closed(closed: ConnectionClosed) -> _Ended:
    """Return how a close ends a connection.

    Raises:
        RefusedError: it was closed because of us.
    """
    reason = closed.reason
    words = (reason.reason if reason else None) or "the connection was lost"
    if reason is not None and reason.code in CLIENTS_OWN_FAULT:
        raise RefusedError(words, code=str(reason.code))
    return _Ended(words)


def _unreachable(error: BaseException) -> _Ended | RefusedError:
    """Return what is told of a server that cannot be reached; no second try mends TLS."""
    if isinstance(error.__cause__, ssl.SSLError):
        why = getattr(error.__cause__, "verify_message", "") or error.__cause__.reason
        return RefusedError(f"the server speaks no TLS that can be trusted: {why}")
    words = "no answer in time" if isinstance(error, trio.TooSlowError) else str(error)
    return _Ended(f"the server cannot be reached: {words}")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _matches(pattern: str, name: str) -> bool:
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return pattern == name


def _earlier(relative: str, by_s: int) -> str:
    """Return a position relative to now, ``by_s`` seconds earlier; as it is if it has no number."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
    number, unit = relative[4:-1], relative[-1]
    if number.isdecimal() and unit in units:
        return f"now-{int(number) * units[unit] + by_s}s"
    return relative
