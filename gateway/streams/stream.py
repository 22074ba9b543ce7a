"""One open SSE or NDJSON answer (shell): a subscription, and what surrounds it.

It has no task: events reach it through a room, or from the log while it lags.
"""

from dataclasses import dataclass

import msgspec

from engine.environment import Environment
from engine.errors import NotFoundError
from engine.events.filters import TypeFilter
from engine.events.service import Start
from gateway.callers import Caller
from gateway.fanout import forms
from gateway.fanout.expiry import end_of
from gateway.fanout.feeding import LogFeeder
from gateway.fanout.forms import Form
from gateway.fanout.outlet import StreamOutlet
from gateway.fanout.rooms import RoomName
from gateway.fanout.subscription import Subscription
from gateway.framing.chunked import chunk
from gateway.http.media_types import NDJSON, SSE
from gateway.http.problem import HttpError
from gateway.limits import HEARTBEAT_SECONDS, RETRY_MS
from gateway.wheel import Timer
from persistence.records import Stream


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of stream is written."""

    plain: Form
    chunked: Form
    heartbeat: bytes
    opening: bytes


FORMATS = {
    SSE: Format(
        forms.SSE_PLAIN,
        forms.SSE_CHUNKED,
        b": still here\n\n",
        f"retry: {RETRY_MS}\n\n".encode(),
    ),
    NDJSON: Format(forms.NDJSON_PLAIN, forms.NDJSON_CHUNKED, b"\n", b""),
}
HEADERS = (("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"))


class EventStream:
    """What feeds an open answer, until the client leaves or the key ends.

    A customer's also ends behind an event after which it may not follow the conversation any
    longer; one that still may connects again, as it does after any other end.
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
        """Follow one ``stream``, or the whole environment, from ``start`` on.

        Raises:
            HttpError: ``too_many_connections``: its key has as many streams open as it may.
        """
        if not caller.switchboard.streams.has_room(caller.principal.key_id):
            detail = "too many streams of this key are open; close some"
            raise HttpError("too_many_connections", detail)
        self._caller = caller
        self._media_type = media_type
        self._format = FORMATS[media_type]
        self._start = start
        self._stream = stream
        self._types = types
        self._outlet: StreamOutlet | None = None
        self._subscription: Subscription | None = None
        self._beat: Timer | None = None
        self._expiry: Timer | None = None
        self._over = False

    def open(self, outlet: StreamOutlet) -> None:
        """Begin to feed ``outlet``."""
        self._outlet = outlet
        switchboard, principal = self._caller.switchboard, self._caller.principal
        switchboard.streams.add(self, self._media_type)
        if not switchboard.streams.enter(self, principal.key_id):
            self._end()
            return
        if self._format.opening:
            self._say(self._format.opening)
        if self._start.reset:
            self._say(_reset(self._media_type, self._caller.environment.log.cursors.make(0)))
        self._beat = switchboard.wheel.after(HEARTBEAT_SECONDS / 2, self._say_here)
        if principal.expires_s is not None:
            self._expiry = switchboard.wheel.at(end_of(principal), self._end)
        subscription = self._subscribed(outlet)
        if self._stream is not None and not principal.staff:
            switchboard.errands.begin(self._look_again(self._stream), self._looked)
        else:
            subscription.begin()

    def lost(self) -> None:
        """The client has left, or the answer has ended; harmless when it was told before."""
        if self._over:
            return
        self._over = True
        for timer in (self._beat, self._expiry):
            if timer is not None:
                timer.cancel()
        if self._subscription is not None:
            self._subscription.end()
        self._caller.switchboard.streams.discard(self)

    def stop(self, retry_after_s: float) -> None:
        """End as soon as what waits is sent; clients connect again."""
        if self._outlet is not None and self._format.plain is forms.SSE_PLAIN:
            self._say(f"retry: {round(retry_after_s * 1000)}\n\n".encode())
        self._end()

    def sees_as(self, environment: Environment, contact_id: str) -> bool:
        """Say whether what it may see there may be so by a customer, its own or its account's."""
        return self._caller.sees_as(environment, contact_id)

    def _subscribed(self, outlet: StreamOutlet) -> Subscription:
        caller, form = self._caller, self._format
        rooms = caller.switchboard.rooms_of(caller.environment)
        name = RoomName(
            self._stream,
            form.chunked if outlet.chunked else form.plain,
            caller.principal.audience,
            self._types,
        )
        self._subscription = Subscription(
            rooms=rooms,
            room=rooms.hold(name),
            outlet=outlet,
            feeder=LogFeeder(outlet, caller.switchboard.errands),
            after=self._start.after,
            lost=lambda stream, version: self._end(),  # noqa: ARG005 - it ends, wherever it was
        )
        return self._subscription

    async def _look_again(self, stream: Stream) -> None:
        """See once more, now that the room is held: nothing is told of a removal before."""
        await self._caller.environment.conversations.see(self._caller.principal, stream.name)

    def _looked(self, result: None, error: Exception | None) -> None:
        del result
        if self._over or self._subscription is None or self._outlet is None:
            return
        if error is None:
            self._subscription.begin()
        elif isinstance(error, NotFoundError):
            self._end()
        else:
            self._outlet.fail()

    def _end(self) -> None:
        outlet = self._outlet
        self.lost()
        if outlet is not None:
            outlet.finish()

    def _say_here(self) -> None:
        """Let the client know that the stream is open, after a while of silence."""
        outlet = self._outlet
        if self._over or outlet is None:
            return
        if outlet.silent:
            self._say(self._format.heartbeat)
        outlet.silent = True
        wheel = self._caller.switchboard.wheel
        self._beat = wheel.after(HEARTBEAT_SECONDS / 2, self._say_here)

    def _say(self, data: bytes) -> None:
        if self._outlet is not None:
            self._outlet.answer(chunk(data) if self._outlet.chunked else data)


def _reset(media_type: str, cursor: str) -> bytes:
    """Typed, never silence: the position was of a log that is gone; reading starts at its begin."""
    line = msgspec.json.encode({"type": "stream.reset", "earliest": cursor})
    if media_type == NDJSON:
        return line + b"\n"
    return b"id: %b\ndata: %b\n\n" % (cursor.encode(), line)
