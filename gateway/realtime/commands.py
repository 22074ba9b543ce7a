"""What the frames of an authenticated connection do (shell)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import trio

from engine.actor.outcome import Accepted, Origin, Outcome
from engine.conversation.access import HiddenError
from engine.conversation.events import Visibility
from engine.conversation.service import Posted, stream_of
from engine.environment import CATALOGUE
from engine.errors import BadPositionError, ParleyError, WrongTypeError
from engine.events.filters import TypeFilter, type_filter
from engine.events.service import Start
from engine.log.cursor import AtVersion, Position
from gateway.api.contract import Caller
from gateway.api.conversation.posting import messages_path, new_message, with_missed
from gateway.dispatch import Dispatcher
from gateway.http import idempotency
from gateway.limits import SETTLE_SECONDS, UNACKED_COMMANDS_MAX
from gateway.realtime import protocol
from gateway.realtime.answers import Answers
from gateway.realtime.dialects.dialect import Dialect
from gateway.realtime.losing_access import PARTICIPANTS_CHANGED
from gateway.realtime.outbound import Outbound
from gateway.realtime.roll import Seat
from gateway.realtime.signalling import advance_mark, seat_of
from gateway.realtime.signals import Signal
from gateway.realtime.subscriptions import Subscriptions
from persistence.records import Stream


class Commands:
    """Carries out the frames of one caller. Commands of one socket are carried out in order."""

    def __init__(
        self,
        caller: Caller,
        dispatcher: Dispatcher,
        dialect: Dialect,
        *,
        outbound: Outbound,
        nursery: trio.Nursery,
        traceparent: str | None,
    ) -> None:
        """Work for ``caller``; what must wait runs in ``nursery``."""
        environment, audience = caller.environment, caller.principal.audience
        self._caller = caller
        self._dispatcher = dispatcher
        self._dialect = dialect
        self._hub = caller.hub
        self._outbound = outbound
        self._answers = Answers(outbound, dialect)
        self._nursery = nursery
        self._traceparent = traceparent
        self._ended = False
        self._unacked = trio.Semaphore(UNACKED_COMMANDS_MAX)
        self._subscriptions = Subscriptions(
            caller,
            outbound,
            member=self,
            frame=lambda event: dialect.event(environment.log, event, audience),
            lost=self._lost,
        )
        self._on: dict[type[Any], Callable[[Any], Awaitable[None]]] = {
            protocol.Subscribe: self._subscribe,
            protocol.Unsubscribe: self._unsubscribe,
            protocol.MessageCreate: self._message_create,
            protocol.Typing: self._typing,
            protocol.Presence: self._presence,
            protocol.Read: self._read,
            protocol.Call: self._call,
        }

    async def carry_out(self, frame: protocol.AnyFrame) -> None:
        """Do what ``frame`` asks; what is refused at once is raised.

        Raises:
            ParleyError: the refusal, for the session to answer.
        """
        await self._on[type(frame)](frame)

    @property
    def staff(self) -> bool:
        """Say whether it may hear what is among staff."""
        return self._caller.principal.staff

    def signal(self, signal: Signal) -> None:
        """Pass a signal on if there is room: it is worth nothing later.

        A customer that lags may have been removed meanwhile, so it hears none until it is live.
        """
        if self.staff or self._subscriptions.is_live(stream_of(signal.conversation)):
            self._outbound.offer(signal.frame(self._dialect))

    async def settle(self) -> None:
        """Wait until every command under way is answered, at most ``SETTLE_SECONDS``."""
        with trio.move_on_after(SETTLE_SECONDS):  # noqa: ASYNC912 - there are some to wait for
            for _ in range(UNACKED_COMMANDS_MAX):
                await self._unacked.acquire()

    def end(self) -> None:
        """Let every subscription go, type no longer, and begin to be absent."""
        self._ended = True
        self._subscriptions.clear()
        self._hub.close(self)

    async def _subscribe(self, frame: protocol.Subscribe) -> None:
        if (frame.conversation is None) == (frame.events is None):
            detail = "subscribe to a conversation, or to events"
            raise WrongTypeError(detail)
        if frame.conversation is not None:
            await self._subscribe_conversation(frame, frame.conversation)
        else:
            await self._subscribe_events(frame)

    async def _subscribe_conversation(self, frame: protocol.Subscribe, name: str) -> None:
        caller = self._caller
        caller.principal.require(("conversation:read",))
        environment = caller.environment
        seen = await environment.conversations.see(caller.principal, name)
        stream = stream_of(seen.id)
        start = await self._start(frame, stream, seen.version)
        if start.reset:
            self._reset(frame, seen.id)
            return
        # Never ahead of what was seen: a removal in between would be passed over.
        after = start.after if self.staff else min(start.after, seen.version)
        # Added first, since it may be one too many; its first event still comes behind the answer.
        self._subscriptions.add(stream, after=after, types=TypeFilter())
        self._answers.answer(
            "ok",
            frame.ref,
            conversation=seen.id,
            conversation_external_id=seen.external_id,
            version=seen.version,
            epoch=environment.log.epoch,
        )

    async def _subscribe_events(self, frame: protocol.Subscribe) -> None:
        caller = self._caller
        caller.principal.require(("events:read",))
        caller.principal.require_staff("follow the events of everybody")
        types = type_filter(frame.events or (), CATALOGUE)
        start = await self._start(frame, None)
        if start.reset:
            self._reset(frame, None)
            return
        log = caller.environment.log
        self._subscriptions.add(None, after=start.after, types=types)
        self._answers.answer("ok", frame.ref, cursor=log.cursors.make(start.after), epoch=log.epoch)

    async def _unsubscribe(self, frame: protocol.Unsubscribe) -> None:
        of_events = frame.events is not None and frame.events is not False
        if (frame.conversation is None) != of_events:
            detail = "unsubscribe from a conversation, or from events"
            raise WrongTypeError(detail)
        if frame.conversation is None:
            self._subscriptions.remove(None)
            self._answers.answer("ok", frame.ref)
            return
        caller = self._caller
        conversation_id, _ = caller.environment.conversations.resolve(
            caller.principal, frame.conversation
        )
        self._subscriptions.remove(stream_of(conversation_id))
        self._answers.answer("ok", frame.ref, conversation=conversation_id)

    def _lost(self, stream: Stream, version: int) -> None:
        """Tell that a subscription is over: who still takes part subscribes again."""
        self._answers.answer(
            "unsubscribed",
            None,
            conversation=stream.name,
            reason=PARTICIPANTS_CHANGED,
            version=version,
        )

    async def _start(
        self, frame: protocol.Subscribe, stream: Stream | None, version: int = 0
    ) -> Start:
        environment = self._caller.environment
        positions = environment.positions
        if frame.after is None:
            return await positions.head(stream) if stream else Start(environment.log.committed())
        if isinstance(frame.after, str):
            position: Position = positions.parse(frame.after)
        elif isinstance(frame.after, float) or frame.after < 0:
            raise BadPositionError("a version is a whole number, 0 or more")
        else:
            position = AtVersion(frame.after, frame.epoch)
        if stream is None:
            return await positions.in_feed(position)
        audience = self._caller.principal.audience
        return await positions.in_stream(stream, position, head=version, audience=audience)

    async def _message_create(self, frame: protocol.MessageCreate) -> None:
        caller = self._caller
        caller.principal.require(("conversation:write",))
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
        await self._unacked.acquire()

        def reply(outcome: Outcome | ParleyError) -> None:
            self._answer_outcome(_Writing(frame, conversation_id, origin), outcome)

        try:
            await conversations.tell(
                caller.principal, frame.conversation, new_message(frame.message), origin, reply
            )
        except BaseException:
            self._unacked.release()
            raise

    def _answer_outcome(self, writing: "_Writing", outcome: Outcome | ParleyError) -> None:
        """Answer at once what is at hand; what must be read again is answered by a task."""
        if isinstance(outcome, Accepted):
            self._posted(writing.frame.ref, Posted(outcome.events[-1], replayed=False))
            self._unacked.release()
        elif self._ended:
            self._unacked.release()
        else:
            self._nursery.start_soon(self._answer_later, writing, outcome)

    async def _answer_later(self, writing: "_Writing", outcome: Outcome | ParleyError) -> None:
        try:
            posted = await self._receipt(writing, outcome)
        except ParleyError as error:
            self._answers.refuse(writing.frame.ref, error)
        else:
            self._posted(writing.frame.ref, posted)
        finally:
            self._unacked.release()

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
        event, log = posted.event, self._caller.environment.log
        self._answers.answer(
            "ok",
            ref,
            id=event.resource_id,
            conversation=event.stream.name,
            version=event.version,
            epoch=log.epoch,
            cursor=log.cursor_of(event),
            event_id=event.id,
            replayed=posted.replayed,
        )

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
        caller.principal.require(("conversation:write",))
        conversation_id, _ = caller.environment.conversations.resolve(
            caller.principal, frame.conversation
        )
        return await seat_of(
            caller,
            frame.conversation,
            frame.author,
            visibility=visibility,
            visible=self._subscriptions.is_live(stream_of(conversation_id)),
        )

    async def _read(self, frame: protocol.Read) -> None:
        self._caller.principal.require(("conversation:write",))
        await self._unacked.acquire()
        self._nursery.start_soon(self._marked, frame)

    async def _marked(self, frame: protocol.Read) -> None:
        """Answer when the mark is on disk."""
        try:
            mark = await advance_mark(
                self._caller, frame.conversation, frame.version, frame.author, sender=self
            )
        except ParleyError as error:
            self._answers.refuse(frame.ref, error)
        else:
            self._answers.answer(
                "ok", frame.ref, conversation=mark.conversation_id, version=mark.version
            )
        finally:
            self._unacked.release()

    def _agree(self, frame: protocol.Typing | protocol.Presence) -> None:
        """Answer a signal if its sender wants to know; typing is said too often to be answered."""
        if frame.ref is not None:
            self._answers.answer("ok", frame.ref)

    async def _call(self, frame: protocol.Call) -> None:
        await self._unacked.acquire()
        self._nursery.start_soon(self._called, frame)

    async def _called(self, frame: protocol.Call) -> None:
        try:
            body = self._dialect.body_json(bytes(frame.body))
            answer = await self._dispatcher.call(
                self._caller, frame.method, frame.path, body, self._traceparent
            )
        except ParleyError as error:
            self._answers.refuse(frame.ref, error, instance=frame.path.partition("?")[0])
        else:
            self._answers.pass_on(frame.ref, answer)
        finally:
            self._unacked.release()

    def _reset(self, frame: protocol.Subscribe, conversation_id: str | None) -> None:
        """The position was of a log that is gone: say so, and where history begins now."""
        epoch = self._caller.environment.log.epoch
        self._answers.answer(
            "reset", frame.ref, conversation=conversation_id, earliest=0, epoch=epoch
        )


@dataclass(frozen=True, slots=True)
class _Writing:
    """A message on its way."""

    frame: protocol.MessageCreate
    conversation_id: str
    origin: Origin
