"""What the frames of an authenticated connection do (shell)."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import trio

from engine.actor.outcome import Accepted, Outcome
from engine.conversation.events import Author
from engine.conversation.service import Posted, stream_of
from engine.environment import CATALOGUE
from engine.errors import InvalidError, ParleyError, WrongTypeError
from engine.events.filters import TypeFilter, type_filter
from engine.events.service import Start
from engine.log.cursor import AtVersion, Position
from gateway.api.contract import Caller
from gateway.api.posting import messages_path, new_message, with_missed
from gateway.dispatch import Dispatcher
from gateway.http import idempotency, problem
from gateway.limits import SETTLE_SECONDS, UNACKED_COMMANDS_MAX
from gateway.realtime import protocol
from gateway.realtime.answers import Answers
from gateway.realtime.dialects import json as dialect
from gateway.realtime.hub import Hub
from gateway.realtime.outbound import Outbound
from gateway.realtime.subscriptions import Subscriptions
from persistence.records import Stream


class Commands:
    """Carries out the frames of one caller. Commands of one socket are carried out in order."""

    def __init__(
        self,
        caller: Caller,
        dispatcher: Dispatcher,
        hub: Hub,
        *,
        outbound: Outbound,
        nursery: trio.Nursery,
        traceparent: str | None,
    ) -> None:
        """Work for ``caller``; what must wait runs in ``nursery``."""
        environment, audience = caller.environment, caller.principal.audience
        self._caller = caller
        self._dispatcher = dispatcher
        self._hub = hub
        self._outbound = outbound
        self._answers = Answers(outbound)
        self._nursery = nursery
        self._traceparent = traceparent
        self._ended = False
        self._unacked = trio.Semaphore(UNACKED_COMMANDS_MAX)
        self._subscriptions = Subscriptions(
            environment,
            hub,
            outbound,
            member=self,
            audience=audience,
            frame=lambda event: dialect.event(environment.log, event, audience),
        )
        self._on: dict[type[Any], Callable[[Any], Awaitable[None]]] = {
            protocol.Subscribe: self._subscribe,
            protocol.MessageCreate: self._message_create,
            protocol.Typing: self._typing,
            protocol.Call: self._call,
        }

    async def carry_out(self, frame: protocol.AnyFrame) -> None:
        """Do what ``frame`` asks; what is refused at once is raised.

        Raises:
            ParleyError: the refusal, for the session to answer.
        """
        await self._on[type(frame)](frame)

    def signal(self, frame: bytes) -> None:
        """Pass a signal on if there is room: it is worth nothing later."""
        self._outbound.offer(frame)

    async def settle(self) -> None:
        """Wait until every command under way is answered, at most ``SETTLE_SECONDS``."""
        with trio.move_on_after(SETTLE_SECONDS):  # noqa: ASYNC912 - there are some to wait for
            for _ in range(UNACKED_COMMANDS_MAX):
                await self._unacked.acquire()

    def end(self) -> None:
        """Let every subscription go."""
        self._ended = True
        self._subscriptions.clear()

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
        # Added first, since it may be one too many; its first event still comes behind the answer.
        self._subscriptions.add(stream, after=start.after, types=TypeFilter())
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

    async def _start(
        self, frame: protocol.Subscribe, stream: Stream | None, version: int = 0
    ) -> Start:
        environment = self._caller.environment
        positions = environment.positions
        if frame.after is None:
            return await positions.head(stream) if stream else Start(environment.log.committed())
        if isinstance(frame.after, int):
            if frame.after < 0:
                detail = "a version is 0 or more"
                raise InvalidError(detail)
            position: Position = AtVersion(frame.after, frame.epoch)
        else:
            position = positions.parse(frame.after)
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
            self._answer_outcome(frame, conversation_id, outcome)

        try:
            await conversations.tell(
                caller.principal, frame.conversation, new_message(frame.message), origin, reply
            )
        except BaseException:
            self._unacked.release()
            raise

    def _answer_outcome(
        self, frame: protocol.MessageCreate, conversation_id: str, outcome: Outcome | ParleyError
    ) -> None:
        """Answer at once what is at hand; what must be read again is answered by a task."""
        if isinstance(outcome, Accepted):
            self._posted(frame.ref, Posted(outcome.events[-1], replayed=False))
            self._unacked.release()
        elif self._ended:
            self._unacked.release()
        else:
            self._nursery.start_soon(self._answer_later, frame, conversation_id, outcome)

    async def _answer_later(
        self, frame: protocol.MessageCreate, conversation_id: str, outcome: Outcome | ParleyError
    ) -> None:
        caller = self._caller
        try:
            if isinstance(outcome, ParleyError):
                raise await with_missed(caller, conversation_id, outcome)
            posted = await caller.environment.conversations.receipt(conversation_id, outcome)
        except ParleyError as error:
            self._answers.refuse(frame.ref, error)
        else:
            self._posted(frame.ref, posted)
        finally:
            self._unacked.release()

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
        caller = self._caller
        caller.principal.require(("conversation:write",))
        conversation_id, _ = caller.environment.conversations.resolve(
            caller.principal, frame.conversation
        )
        if not self._subscriptions.has(stream_of(conversation_id)):
            await caller.environment.conversations.see(caller.principal, frame.conversation)
        author = await caller.environment.conversations.writer(
            caller.principal,
            Author(frame.author.type, frame.author.id) if frame.author else None,
        )
        signal = dialect.encode(
            "signal",
            {
                "kind": "typing",
                "conversation": conversation_id,
                "state": frame.state,
                "author": author,
            },
        )
        self._hub.signal(conversation_id, signal, sender=self)

    async def _call(self, frame: protocol.Call) -> None:
        await self._unacked.acquire()
        self._nursery.start_soon(self._called, frame)

    async def _called(self, frame: protocol.Call) -> None:
        try:
            answer = await self._dispatcher.call(
                self._caller, frame.method, frame.path, bytes(frame.body), self._traceparent
            )
        finally:
            self._unacked.release()
        document = msgspec.Raw(answer.body or b"null")
        if answer.content_type == problem.CONTENT_TYPE:
            self._answers.answer("error", frame.ref, problem=document)
        else:
            headers = {name.lower(): value for name, value in answer.headers}
            self._answers.answer(
                "ok", frame.ref, status=answer.status, headers=headers, body=document
            )

    def _reset(self, frame: protocol.Subscribe, conversation_id: str | None) -> None:
        """The position was of a log that is gone: say so, and where history begins now."""
        epoch = self._caller.environment.log.epoch
        self._answers.answer(
            "reset", frame.ref, conversation=conversation_id, earliest=0, epoch=epoch
        )
