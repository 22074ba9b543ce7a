"""One realtime connection: hears frames, asks the engine, answers (shell).

The dialogue is ``protocol``'s, the words are a dialect's, the bytes go out over a ``Line``. It has
no task: it is called when something comes, and what it asks for is carried as errands. The frames
of one connection are carried out in order.
"""

import logging
from collections import deque
from http import HTTPStatus

from engine import ids
from engine.environment import Environment
from engine.errors import ParleyError
from engine.events.envelope import rfc3339_seconds
from gateway.callers import Caller
from gateway.dispatch import Dispatcher
from gateway.fanout.expiry import end_of
from gateway.fanout.switchboard import Switchboard
from gateway.http.problem import status_of
from gateway.limits import AUTH_SECONDS, HEARTBEAT_SECONDS
from gateway.realtime import protocol
from gateway.realtime.answers import Answers
from gateway.realtime.commands import Commands
from gateway.realtime.dialects.dialect import Dialect
from gateway.realtime.line import Line
from gateway.realtime.protocol import Close, Phase
from gateway.wheel import Timer

LOG = logging.getLogger("parley.realtime")

Raw = bytes | str
_Heard = tuple[Raw, protocol.AnyFrame | None]
_NO_FRAME: _Heard = (b"", None)


class Session:
    """The server's side of one dialogue."""

    __slots__ = (
        "_answers",
        "_caller",
        "_commands",
        "_dialect",
        "_dialogue",
        "_dispatcher",
        "_expiry",
        "_frame",
        "_going_on",
        "_heard",
        "_line",
        "_paused",
        "_retry_after_s",
        "_switchboard",
        "_timer",
        "_traceparent",
        "_under_way",
    )

    def __init__(
        self,
        line: Line,
        *,
        dispatcher: Dispatcher,
        switchboard: Switchboard,
        dialect: Dialect,
        caller: Caller | None,
        traceparent: str | None = None,
    ) -> None:
        """Speak over ``line``; ``caller`` is known when the Authorization header named it."""
        self._line = line
        self._dispatcher = dispatcher
        self._switchboard = switchboard
        self._dialect = dialect
        self._caller = caller
        self._traceparent = traceparent
        self._dialogue = protocol.Dialogue()
        self._answers = Answers(line, dialect)
        self._commands: Commands | None = None
        self._heard: deque[Raw] | None = None
        self._frame = _NO_FRAME
        self._under_way = False
        self._going_on = False
        self._paused = False
        self._retry_after_s: float | None = None
        self._timer: Timer | None = None
        self._expiry: Timer | None = None

    def begin(self) -> None:
        """Be open: say ``ready``, or wait for the peer to say who it is."""
        self._switchboard.sessions.add(self, self._dialect.subprotocol)
        if self._caller is not None:
            self._begin(self._caller, ref=None)
        else:
            self._timer = self._switchboard.wheel.after(AUTH_SECONDS, self._end_unknown)

    def hear(self, raw: Raw) -> None:
        """Do what one message asks, or keep it until those before it are done."""
        if self._dialogue.phase is Phase.ENDED or self._retry_after_s is not None:
            return
        if self._under_way or self._paused or self._heard is not None:
            if self._heard is None:
                self._heard = deque()
            self._heard.append(raw)
            self._line.pause()
        else:
            self._handle(raw)

    def lost(self) -> None:
        """The connection has ended; harmless when it has been told before."""
        self._dialogue.phase = Phase.ENDED
        self._let_go()
        self._switchboard.sessions.discard(self)

    def stop(self, retry_after_s: float) -> None:
        """Hear no more frames, answer the commands that were heard, and say goodbye.

        Args:
            retry_after_s: when the client should connect again.
        """
        if self._retry_after_s is not None or self._dialogue.phase is Phase.ENDED:
            return
        self._retry_after_s = retry_after_s
        if self._commands is not None:
            self._commands.when_settled(self._stop_if_settled)
        self._stop_if_settled()

    def sees_as(self, environment: Environment, contact_id: str) -> bool:
        """Say whether what it may see there may be so by a customer, its own or its account's."""
        return self._caller is not None and self._caller.sees_as(environment, contact_id)

    def end_too_slow(self) -> None:
        """Say that the client has not read for too long, with the versions it should resume at."""
        lagging = self._commands.lagging() if self._commands is not None else []
        reason = "too slow; resume after the last version you saw"
        if lagging:
            reason = f"too slow; resume after version {lagging[0][1]}"
        self._end(Close.TOO_SLOW, reason)

    def tell_lagging(self) -> None:
        """Say, to a client that has stopped reading, how far each of its subscriptions is."""
        if self._commands is None or self._dialogue.phase is not Phase.READY:
            return
        for conversation, version in self._commands.lagging():
            self._answers.answer("lagging", None, conversation=conversation, version=version)

    def fail(self) -> None:
        """End because the log cannot be read for this client: it may go on from where it is."""
        self._end(Close.RESTART, "the store does not answer; connect again")

    def _handle(self, raw: Raw) -> None:
        """Do what one message asks; a refusal is an answer, with the ``ref`` of its frame."""
        self._frame = (raw, None)
        try:
            frame = self._dialect.decode(raw)
            self._frame = (raw, frame)
            self._dialogue.check(frame)
        except ParleyError as error:
            self._refuse(error)
            return
        if isinstance(frame, protocol.Ping):
            self._answers.answer("pong", frame.ref)
        elif isinstance(frame, protocol.Auth):
            self._under_way = True
            self._switchboard.errands.begin(
                self._dispatcher.callers.of(frame.token), self._authenticated
            )
        elif self._commands is not None and not isinstance(frame, protocol.Pong):
            self._carry_out(self._commands, frame)

    def _carry_out(self, commands: Commands, frame: protocol.AnyFrame) -> None:
        self._under_way = True
        try:
            errand = commands.carry_out(frame)
        except Exception as error:  # noqa: BLE001 - answered, or logged, like that of an errand
            self._carried_out(None, error)
            return
        if errand is None:
            self._carried_out(None, None)
        else:
            self._switchboard.errands.begin(errand, self._carried_out)

    def _authenticated(self, caller: Caller | None, error: Exception | None) -> None:
        self._under_way = False
        if self._dialogue.phase is Phase.ENDED:
            return
        if isinstance(error, ParleyError):
            self._answers.refuse(_ref_of(self._frame), error)
            if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self._end(Close.RESTART, "it cannot be said now who this is; connect again")
            else:
                self._end(Close.FORBIDDEN, "the credential was refused")
        elif error is not None:
            self._failed(error)
        elif caller is not None:
            self._begin(caller, ref=_ref_of(self._frame))
            self.go_on()

    def _carried_out(self, result: None, error: Exception | None) -> None:
        del result
        self._under_way = False
        if isinstance(error, ParleyError):
            self._refuse(error)
        elif error is not None:
            self._failed(error)
        if not self._under_way:
            self._frame = _NO_FRAME  # nothing is kept for a connection that is idle
        if self._heard is not None or self._paused:
            self.go_on()
        elif self._commands is not None and self._commands.full:
            self._paused = True
            self._line.pause()
        self._stop_if_settled()

    def go_on(self) -> None:
        """Do what was heard meanwhile, as far as it goes; then read on."""
        if self._going_on:
            return  # called from inside of the loop below, which goes on by itself
        self._going_on = True
        while not self._under_way and self._dialogue.phase is Phase.READY:
            if self._commands is not None and self._commands.full:
                self._paused = True
                self._line.pause()
                break
            if not self._heard:
                self._paused = False
                self._heard = None
                self._line.resume()
                break
            self._handle(self._heard.popleft())
        self._going_on = False

    def _refuse(self, error: ParleyError) -> None:
        raw, frame = self._frame
        if self._dialogue.phase is Phase.ENDED:
            return
        self._answers.refuse(frame.ref if frame else self._dialect.ref_of(raw), error)
        if protocol.is_bad_frame(error) and self._dialogue.spoiled():
            self._end(Close.BAD_FRAMES, "too many bad frames")

    def _failed(self, error: Exception) -> None:
        """End this connection alone: something is wrong on our side."""
        LOG.error("a connection failed", exc_info=error)
        self._end(Close.RESTART, "something failed on our side")

    def _begin(self, caller: Caller, *, ref: protocol.Ref) -> None:
        """Go from NEW to READY, and end when the key does."""
        principal, switchboard = caller.principal, self._switchboard
        if not switchboard.sessions.enter(self, principal.key_id):
            self._end(Close.RATE, "too many connections of this key")
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = switchboard.wheel.after(HEARTBEAT_SECONDS / 2, self._beat)
        self._caller = caller
        self._dialogue.phase = Phase.READY
        self._commands = Commands(
            caller,
            self._dispatcher,
            self._dialect,
            line=self._line,
            answers=self._answers,
            speaker=self,
            traceparent=self._traceparent,
        )
        expires = principal.expires_s
        if expires is not None:
            self._expiry = switchboard.wheel.at(end_of(principal), self._end_expired)
        self._answers.answer(
            "ready",
            ref,
            connection=ids.type_id("con", ids.new_uuid()),
            heartbeat_ms=round(HEARTBEAT_SECONDS * 1000),
            environment=principal.environment,
            subject=principal.subject,
            audience=principal.audience,
            scopes=sorted(principal.scopes),
            expires_at=rfc3339_seconds(expires) if expires is not None else None,
        )

    def _beat(self) -> None:
        """Say that we are still here, after at most ``HEARTBEAT_SECONDS`` of silence."""
        line = self._line
        if line.silent:
            line.offer(self._dialect.encode("ping", {}))
        line.silent = True
        self._timer = self._switchboard.wheel.after(HEARTBEAT_SECONDS / 2, self._beat)

    def _end_unknown(self) -> None:
        self._end(Close.NO_AUTH, "no credential in time")

    def _end_expired(self) -> None:
        self._end(Close.FORBIDDEN, "the key has expired")

    def _stop_if_settled(self) -> None:
        """Say goodbye, if that is due, when everything that was heard has been answered."""
        if self._retry_after_s is None:
            return
        commands = self._commands
        if commands is None or not (commands.unacked or self._under_way or self._heard):
            self._end(Close.RESTART, "the server is restarting", retry_after_s=self._retry_after_s)

    def _let_go(self) -> None:
        for timer in (self._timer, self._expiry):
            if timer is not None:
                timer.cancel()
        self._heard = None
        if self._commands is not None:
            self._commands.end()

    def _end(
        self, close: Close, reason: str, *, retry_after_s: float = protocol.RETRY_AFTER_S
    ) -> None:
        """Say goodbye, and close when everything before it has been sent."""
        if self._dialogue.phase is Phase.ENDED:
            return
        self._dialogue.phase = Phase.ENDED
        self._let_go()  # nothing that happens from now on is for this connection
        self._answers.answer(
            "bye",
            None,
            code=close.code,
            reason=reason,
            reconnect=close.reconnect,
            retry_after=retry_after_s if close.reconnect else None,
        )
        self._line.close(close.code, reason)


def _ref_of(heard: _Heard) -> protocol.Ref:
    return heard[1].ref if heard[1] is not None else None
