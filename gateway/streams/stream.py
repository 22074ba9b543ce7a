"""One open SSE or NDJSON answer (shell)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import trio

from engine.bus.follower import Follower
from engine.errors import NotFoundError
from engine.events.filters import TypeFilter
from engine.events.service import Start
from engine.log.event import Event
from engine.log.log import Log
from engine.principal import Principal
from gateway.api.contract import NDJSON, SSE, Caller
from gateway.limits import RETRY_MS
from gateway.realtime.frames import ndjson_line, sse_event
from gateway.realtime.losing_access import may_lose_access
from gateway.realtime.outbound import Outbound
from persistence.records import Stream


@dataclass(frozen=True, slots=True)
class Format:
    """How events are written to one kind of stream."""

    frame: Callable[[Log, Event, str], bytes]
    heartbeat: bytes
    opening: bytes
    reset: Callable[[str], bytes]


def _sse_reset(cursor: str) -> bytes:
    return b"id: %b\ndata: %b\n\n" % (cursor.encode(), _reset(cursor))


def _ndjson_reset(cursor: str) -> bytes:
    return _reset(cursor) + b"\n"


def _reset(cursor: str) -> bytes:
    """Typed, never silence: the position was of a log that is gone; reading starts at its begin."""
    return msgspec.json.encode({"type": "stream.reset", "earliest": cursor})


FORMATS = {
    SSE: Format(sse_event, b": still here\n\n", f"retry: {RETRY_MS}\n\n".encode(), _sse_reset),
    NDJSON: Format(ndjson_line, b"\n", b"", _ndjson_reset),
}
HEADERS = (("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"))


class EventStream:
    """The bytes of an open stream, until the client leaves or the key ends.

    A customer's also ends behind an event after which it may not follow the conversation any
    longer; one that still may connects again, as it does after any other end.
    Ending is always ``aclose``: the follower is let go whichever way the answer ends.
    """

    def __init__(
        self,
        caller: Caller,
        media_type: str,
        *,
        start: Start,
        stream: Stream | None,
        types: TypeFilter,
    ) -> None:
        """Follow one ``stream``, or the whole environment, from ``start`` on."""
        form = FORMATS[media_type]
        environment, principal = caller.environment, caller.principal
        self._bus = environment.bus
        self._streams = caller.streams
        self._stream = stream
        self._outbound = Outbound(heartbeat=form.heartbeat)
        self._ends_at = end_of(principal)
        self._caller = caller
        self._over = False
        self._unseen = stream is not None and not principal.staff
        log, audience = environment.log, principal.audience

        def sink(event: Event) -> bool:
            if self._over or not event.seen_by(audience):
                return True
            if types.matches(event) and not self._outbound.offer(form.frame(log, event, audience)):
                return False
            if stream is not None and may_lose_access(event, audience):
                self._over = True
                self._outbound.finish()
            return True

        if form.opening:
            self._outbound.answer(form.opening)
        if start.reset:
            self._outbound.answer(form.reset(log.cursors.make(0)))
        self._follower = self._follow(sink, start.after)
        self._outbound.followers.append(self._follower)
        self._streams.add(self._outbound, media_type)

    def __aiter__(self) -> "EventStream":
        """Return itself: the stream can be read once."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes; end when the key has expired."""
        batch = None
        if trio.current_time() < self._ends_at and await self._is_seen():
            with trio.move_on_at(self._ends_at):
                batch = await self._outbound.take()
        if batch is None:
            await self.aclose()
            raise StopAsyncIteration
        return b"".join(batch)

    async def aclose(self) -> None:
        """Let the follower go. Does not wait, so it may be called while being cancelled."""
        self._bus.unfollow(self._follower, self._stream)
        self._streams.discard(self._outbound)

    async def _is_seen(self) -> bool:
        """Look once more, now that the stream is followed: nothing is told of a removal before."""
        if not self._unseen or self._stream is None:
            return True
        self._unseen = False
        try:
            await self._caller.environment.conversations.see(
                self._caller.principal, self._stream.name
            )
        except NotFoundError:
            return False
        return True

    def _follow(self, sink: Callable[[Event], bool], after: int) -> Follower:
        wake = self._outbound.wake
        if self._stream is None:
            return self._bus.follow_all(sink, after=after, wake=wake)
        return self._bus.follow_stream(self._stream, sink, after=after, wake=wake)


def end_of(principal: Principal) -> float:
    """Return the moment, on trio's clock, at which the principal's key ends."""
    if principal.expires_s is None:
        return float("inf")
    return trio.current_time() + max(0.0, principal.expires_s - time.time())
