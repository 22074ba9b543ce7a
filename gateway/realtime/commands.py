"""What the frames of an authenticated connection do (shell)."""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from engine.actor.outcome import Accepted, Origin, Outcome
from engine.conversation.access import HiddenError
from engine.conversation.events import Visibility
from engine.conversation.service import Posted
from engine.errors import ParleyError
from gateway.api.conversation.posting import messages_path, new_message, with_missed
from gateway.api.conversation.resources import WRITE
from gateway.api.conversation.signalling import advance_mark, seat_of
from gateway.callers import Caller
from gateway.dispatch import Dispatcher
from gateway.fanout.forms import websocket_form
from gateway.fanout.frames import receipt
from gateway.fanout.roll import Seat
from gateway.fanout.signals import Signal
from gateway.http import idempotency, problem
from gateway.limits import UNACKED_COMMANDS_MAX
from gateway.realtime import protocol
from gateway.realtime.answers import Answers
from gateway.realtime.dialects.dialect import Dialect
from gateway.realtime.following import Following
from gateway.realtime.line import Line

LOG = logging.getLogger("parley.realtime")


class Speaker(Protocol):
    """Whose commands they are: named by itself, since a bound method for each takes 64 bytes."""

    def go_on(self) -> None:
        """Do what was heard meanwhile: there is room again."""


class Commands:
    """Carries out the frames of one caller. Commands of one socket are carried out in order."""

    __slots__ = (
        "_answers",
        "_caller",
        "_dialect",
        "_dispatcher",
        "_ended",
        "_errands",
        "_following",
        "_hub",
        "_line",
        "_speaker",
        "_traceparent",
        "_when_settled",
        "unacked",
    )

    def __init__(  # noqa: PLR0913 - what they connect, by name
        self,
        caller: Caller,
        dispatcher: Dispatcher,
        dialect: Dialect,
        *,
        line: Line,
        answers: Answers,
        speaker: Speaker,
        traceparent: str | None,
    ) -> None:
        """Work for ``caller``; ``speaker`` goes on when they are not ``full`` any more.

        ``unacked`` counts the commands under way that were not answered yet.
        """
        self._caller = caller
        self._dispatcher = dispatcher
        self._dialect = dialect
        self._hub = caller.hub
        self._line = line
        self._answers = answers
        self._errands = caller.switchboard.errands
        self._speaker = speaker
        self._traceparent = traceparent
        self._ended = False
        self._when_settled: Callable[[], None] | None = None
        self.unacked = 0
        self._following = Following(
            caller,
            line,
            form=websocket_form(dialect, framed=line.framed),
            member=self,
            answers=answers,
        )

    def carry_out(self, frame: protocol.AnyFrame) -> Coroutine[Any, Any, None] | None:
        """Do what ``frame`` asks; return what is to be awaited, if it may wait.

        Raises:
            ParleyError: the refusal, for the session to answer; so does what is awaited.
        """
        return _CARRIED_OUT_BY[type(frame)](self, frame)

    @property
    def full(self) -> bool:
        """Say whether as many commands are under way as may be."""
        return self.unacked >= UNACKED_COMMANDS_MAX

    def when_settled(self, call: Callable[[], None]) -> None:
        """Call ``call`` once every command under way is answered."""
        self._when_settled = call

    def lagging(self) -> list[tuple[str | None, int]]:
        """Return what this socket follows and is behind in, each with its place."""
        return self._following.lagging()

    @property
    def staff(self) -> bool:
        """Say whether it may hear what is among staff."""
        return self._caller.principal.staff

    def signal(self, signal: Signal) -> None:
        """Pass a signal on if there is room: it is worth nothing later.

        A customer that lags may have been removed meanwhile, so it hears none until it is live.
        """
        if self.staff or self._following.is_live(signal.conversation):
            self._line.offer(signal.frame(self._dialect))

    def end(self) -> None:
        """Let every subscription go, type no longer, and begin to be absent."""
        self._ended = True
        self._following.end()
        self._hub.close(self)

    async def _subscribe(self, frame: protocol.Subscribe) -> None:
        await self._following.subscribe(frame)

    def _unsubscribe(self, frame: protocol.Unsubscribe) -> None:
        self._following.unsubscribe(frame)

    async def _message_create(self, frame: protocol.MessageCreate) -> None:
        caller = self._caller
        caller.principal.require(WRITE)
        conversations = caller.environment.conversations
        conversation_id, _ = conversations.resolve(caller.principal, frame.conversation)
        origin = idempotency.origin_of(
            caller.principal,
            method="POST",
            path=messages_path(conversation_id),
            key=idempotency.key_of({}, frame.message),
            body=frame.message,
            traceparent=self._traceparent,
        )

        def reply(outcome: Outcome | ParleyError) -> None:
            if isinstance(outcome, Accepted):  # at hand; the rest must be read again
                self._posted(frame.ref, Posted(outcome.events[-1], replayed=False))
                self._acked()
            else:
                writing = _Writing(frame, conversation_id, origin)
                self._later(self._answer_later(writing, outcome), frame.ref)

        self.unacked += 1
        try:
            await conversations.tell(
                caller.principal, frame.conversation, new_message(frame.message), origin, reply
            )
        except BaseException:
            self.unacked -= 1
            raise

    async def _answer_later(self, writing: "_Writing", outcome: Outcome | ParleyError) -> None:
        self._posted(writing.frame.ref, await self._receipt(writing, outcome))

    def _later(
        self,
        errand: Coroutine[Any, Any, None],
        ref: protocol.Ref,
        *,
        instance: str | None = None,
    ) -> None:
        """Carry out the rest of a command that counts as under way, beside those behind it."""

        def done(result: None, error: Exception | None) -> None:
            del result
            if isinstance(error, ParleyError):
                self._refuse(ref, error, instance=instance)
            elif error is not None:
                LOG.error("a command failed", exc_info=error)
                self._refuse(ref, problem.internal(), instance=instance)
            self._acked()

        self._errands.begin(errand, done)

    def _refuse(self, ref: protocol.Ref, error: ParleyError, *, instance: str | None) -> None:
        if not self._ended:
            self._answers.refuse(ref, error, instance=instance)

    def _acked(self) -> None:
        """Count a command as answered; whoever waited for that goes on."""
        self.unacked -= 1
        if self._when_settled is not None and not self.unacked:
            self._when_settled()
        elif self.unacked == UNACKED_COMMANDS_MAX - 1 and not self._ended:
            self._speaker.go_on()

    async def _receipt(self, writing: "_Writing", outcome: Outcome | ParleyError) -> Posted:
        """Return the receipt of a message, or raise its refusal with what was missed."""
        caller, conversations = self._caller, self._caller.environment.conversations
        try:
            if isinstance(outcome, HiddenError):  # what was seen before is so no longer: look again
                frame = writing.frame
                new = new_message(frame.message)
                return await conversations.post(
                    caller.principal, frame.conversation, new, writing.origin
                )
            if isinstance(outcome, ParleyError):
                raise outcome
            return await conversations.receipt(writing.conversation_id, outcome)
        except ParleyError as error:
            raise await with_missed(caller, writing.conversation_id, error) from error

    def _posted(self, ref: protocol.Ref, posted: Posted) -> None:
        log = self._caller.environment.log
        frame = receipt(log, ref, posted.event, replayed=posted.replayed)
        self._line.answer(self._dialect.encode_struct(frame))

    async def _typing(self, frame: protocol.Typing) -> None:
        """Tell the others who are here; nothing of it is kept."""
        seat = await self._seat(frame, visibility=frame.visibility)
        self._hub.typing(seat, frame.state, sender=self)
        self._agree(frame)

    async def _presence(self, frame: protocol.Presence) -> None:
        """Tell the others who are here; it ends with this socket."""
        seat = await self._seat(frame)
        self._hub.presence(seat, frame.state, sender=self)
        self._agree(frame)

    async def _seat(
        self, frame: protocol.Typing | protocol.Presence, *, visibility: Visibility = "public"
    ) -> Seat:
        caller = self._caller
        caller.principal.require(WRITE)
        conversation_id, _ = caller.environment.conversations.resolve(
            caller.principal, frame.conversation
        )
        return await seat_of(
            caller,
            frame.conversation,
            frame.author,
            visibility=visibility,
            visible=self._following.is_live(conversation_id),
        )

    def _read(self, frame: protocol.Read) -> None:
        self._caller.principal.require(WRITE)
        self.unacked += 1
        self._later(self._marked(frame), frame.ref)

    async def _marked(self, frame: protocol.Read) -> None:
        """Answer when the mark is on disk."""
        mark = await advance_mark(
            self._caller, frame.conversation, frame.version, frame.author, sender=self
        )
        self._answers.answer(
            "ok", frame.ref, conversation=mark.conversation_id, version=mark.version
        )

    def _agree(self, frame: protocol.Typing | protocol.Presence) -> None:
        """Answer a signal if its sender wants to know; typing is said too often to be answered."""
        if frame.ref is not None:
            self._answers.answer("ok", frame.ref)

    def _call(self, frame: protocol.Call) -> None:
        self.unacked += 1
        instance = frame.path.partition("?")[0]
        self._later(self._called(frame), frame.ref, instance=instance)

    async def _called(self, frame: protocol.Call) -> None:
        body = self._dialect.body_json(bytes(frame.body))
        answer = await self._dispatcher.call(
            self._caller, frame.method, frame.path, body, self._traceparent
        )
        self._answers.pass_on(frame.ref, answer)


_CARRIED_OUT_BY: dict[type[Any], Callable[[Commands, Any], Coroutine[Any, Any, None] | None]] = {
    protocol.Subscribe: Commands._subscribe,  # noqa: SLF001 - its own table
    protocol.Unsubscribe: Commands._unsubscribe,  # noqa: SLF001
    protocol.MessageCreate: Commands._message_create,  # noqa: SLF001
    protocol.Typing: Commands._typing,  # noqa: SLF001
    protocol.Presence: Commands._presence,  # noqa: SLF001
    protocol.Read: Commands._read,  # noqa: SLF001
    protocol.Call: Commands._call,  # noqa: SLF001
}


@dataclass(frozen=True, slots=True)
class _Writing:
    """A message on its way."""

    frame: protocol.MessageCreate
    conversation_id: str
    origin: Origin
