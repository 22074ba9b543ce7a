"""One realtime connection: reads frames, asks the engine, pours what comes back (shell).

The dialogue is ``protocol``'s, the words are a dialect's, the bytes go through ``Outbound``.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import trio

from engine import ids
from engine.actor.outcome import Accepted, Outcome
from engine.conversation import access
from engine.conversation.events import Author
from engine.conversation.service import Posted, stream_of
from engine.environment import CATALOGUE
from engine.errors import InvalidError, ParleyError, WrongTypeError
from engine.events.envelope import rfc3339
from engine.events.filters import TypeFilter, type_filter
from engine.events.service import Start
from engine.log.cursor import AtVersion, Position
from gateway.api.contract import Caller
from gateway.api.posting import messages_path, new_message, with_missed
from gateway.dispatch import Dispatcher
from gateway.http import idempotency, problem, trace
from gateway.limits import AUTH_SECONDS, HEARTBEAT_SECONDS, UNACKED_COMMANDS_MAX
from gateway.realtime import protocol
from gateway.realtime.dialects import json as dialect
from gateway.realtime.hub import Hub, Hubs
from gateway.realtime.outbound import ClientTooSlowError, Outbound
from gateway.realtime.protocol import Close, Phase
from gateway.realtime.subscriptions import Subscriptions
from gateway.realtime.transport import PeerLeftError, Transport
from gateway.streams.stream import end_of
from persistence.records import Stream

RESTART_RETRY_AFTER_S = 2


class Session:
    """The server's side of one dialogue."""

    def __init__(
        self,
        transport: Transport,
        dispatcher: Dispatcher,
        hubs: Hubs,
        *,
        stopping: trio.Event,
        caller: Caller | None,
        traceparent: str | None = None,
    ) -> None:
        """Speak over ``transport``; ``caller`` is known when the Authorization header named it."""
        self._transport = transport
        self._dispatcher = dispatcher
        self._hubs = hubs
        self._stopping = stopping
        self._caller = caller
        self._traceparent = traceparent
        self._dialogue = protocol.Dialogue()
        self._outbound = Outbound(heartbeat=dialect.encode("ping", {}))
        self._unacked = trio.Semaphore(UNACKED_COMMANDS_MAX)
        self._closing = (Close.NORMAL, "")
        self._nursery: trio.Nursery | None = None
        self._on: dict[type[Any], Callable[[Any], Awaitable[None]]] = {
            protocol.Auth: self._auth,
            protocol.Subscribe: self._subscribe,
            protocol.MessageCreate: self._message_create,
            protocol.Typing: self._typing,
            protocol.Ping: self._ping,
            protocol.Pong: self._pong,
            protocol.Call: self._call,
        }

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._pour)
                self._nursery.start_soon(self._end_at_stop)
                if self._caller is not None:
                    self._begin(self._caller, ref=None)
                if await self._authenticated():
                    await self._read()
        finally:
            if self._caller is not None:
                self._subscriptions.clear()

    def signal(self, frame: bytes) -> None:
        """Pass a signal on if there is room: it is worth nothing later."""
        self._outbound.offer(frame)

    async def _authenticated(self) -> bool:
        """Read until the peer has said who it is; ``False`` when it ended or took too long."""
        with trio.move_on_after(AUTH_SECONDS) as deadline:
            while self._dialogue.phase is Phase.NEW:
                if not await self._read_one():
                    return False
        if deadline.cancelled_caught:
            self._end(Close.NO_AUTH, "no credential in time")
            return False
        return self._dialogue.phase is Phase.READY

    async def _read(self) -> None:
        while self._dialogue.phase is Phase.READY and await self._read_one():
            pass

    async def _read_one(self) -> bool:
        """Deal with one message; ``False`` when the peer has left."""
        try:
            raw = await self._transport.receive()
        except PeerLeftError:
            if self._nursery:
                self._nursery.cancel_scope.cancel()
            return False
        if self._dialogue.phase is not Phase.ENDED:
            await self._handle(raw)
        return True

    async def _handle(self, raw: bytes | str) -> None:
        ref = None
        try:
            frame = dialect.decode(raw)
            ref = frame.ref
            self._dialogue.check(frame)
            await self._on[type(frame)](frame)
        except ParleyError as error:
            self._refuse(ref, error)
            if protocol.is_bad_frame(error) and self._dialogue.spoiled():
                self._end(Close.BAD_FRAMES, "too many bad frames")

    async def _auth(self, frame: protocol.Auth) -> None:
        try:
            caller = await self._dispatcher.caller_of(frame.token)
        except ParleyError as error:
            self._refuse(frame.ref, error)
            self._end(Close.FORBIDDEN, "the credential was refused")
            return
        self._caller = caller
        self._begin(caller, ref=frame.ref)

    def _begin(self, caller: Caller, *, ref: protocol.Ref) -> None:
        """Go from NEW to READY, and end when the key does."""
        principal, environment = caller.principal, caller.environment
        self._dialogue.begin()
        self._hub: Hub = self._hubs.of(principal.workspace, principal.environment)
        self._subscriptions = Subscriptions(
            environment,
            self._hub,
            self._outbound,
            member=self,
            audience=principal.audience,
            frame=lambda event: dialect.event(environment.log, event, principal.audience),
        )
        if self._nursery and principal.expires_s is not None:
            self._nursery.start_soon(self._end_at_expiry, end_of(principal))
        expires = principal.expires_s
        self._answer(
            "ready",
            ref,
            connection=ids.type_id("con", ids.new_uuid()),
            heartbeat_ms=round(HEARTBEAT_SECONDS * 1000),
            environment=principal.environment,
            subject=principal.subject,
            audience=principal.audience,
            scopes=sorted(principal.scopes),
            expires_at=rfc3339(expires * 1000) if expires is not None else None,
        )

    async def _subscribe(self, frame: protocol.Subscribe) -> None:
        if (frame.conversation is None) == (frame.events is None):
            detail = "subscribe to a conversation, or to events"
            raise WrongTypeError(detail)
        if frame.conversation is not None:
            await self._subscribe_conversation(frame, frame.conversation)
        else:
            await self._subscribe_events(frame)

    async def _subscribe_conversation(self, frame: protocol.Subscribe, name: str) -> None:
        caller = self._known()
        caller.principal.require(("conversation:read",))
        environment = caller.environment
        seen = await environment.conversations.see(caller.principal, name)
        stream = stream_of(seen.id)
        start = await self._start(frame, stream)
        if start.reset:
            self._reset(frame, seen.id)
            return
        self._answer(
            "ok",
            frame.ref,
            conversation=seen.id,
            conversation_external_id=seen.external_id,
            version=seen.version,
            epoch=environment.log.epoch,
        )
        self._subscriptions.add(stream, after=start.after, types=TypeFilter())

    async def _subscribe_events(self, frame: protocol.Subscribe) -> None:
        caller = self._known()
        caller.principal.require(("events:read",))
        caller.principal.require_staff("follow the events of everybody")
        types = type_filter(frame.events or (), CATALOGUE)
        start = await self._start(frame, None)
        if start.reset:
            self._reset(frame, None)
            return
        log = caller.environment.log
        self._answer("ok", frame.ref, cursor=log.cursors.make(start.after), epoch=log.epoch)
        self._subscriptions.add(None, after=start.after, types=types)

    async def _start(self, frame: protocol.Subscribe, stream: Stream | None) -> Start:
        environment = self._known().environment
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
        return await positions.in_stream(stream, position)

    async def _message_create(self, frame: protocol.MessageCreate) -> None:
        caller = self._known()
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
            self._unacked.release()
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
        elif self._nursery and self._dialogue.phase is Phase.READY:
            self._nursery.start_soon(self._answer_later, frame, conversation_id, outcome)

    async def _answer_later(
        self, frame: protocol.MessageCreate, conversation_id: str, outcome: Outcome | ParleyError
    ) -> None:
        caller = self._known()
        try:
            if isinstance(outcome, ParleyError):
                raise await with_missed(caller, conversation_id, outcome)
            posted = await caller.environment.conversations.receipt(conversation_id, outcome)
        except ParleyError as error:
            self._refuse(frame.ref, error)
        else:
            self._posted(frame.ref, posted)

    def _posted(self, ref: protocol.Ref, posted: Posted) -> None:
        event, log = posted.event, self._known().environment.log
        self._answer(
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
        caller = self._known()
        caller.principal.require(("conversation:write",))
        conversation_id, _ = caller.environment.conversations.resolve(
            caller.principal, frame.conversation
        )
        if not self._subscriptions.has(stream_of(conversation_id)):
            await caller.environment.conversations.see(caller.principal, frame.conversation)
        wanted = Author(frame.author.type, frame.author.id) if frame.author else None
        signal = dialect.encode(
            "signal",
            {
                "kind": "typing",
                "conversation": conversation_id,
                "state": frame.state,
                "author": access.author_of(caller.principal, wanted),
            },
        )
        self._hub.signal(conversation_id, signal, sender=self)

    async def _ping(self, frame: protocol.Ping) -> None:
        self._answer("pong", frame.ref)

    async def _pong(self, frame: protocol.Pong) -> None:
        """Nothing is owed for an answer."""

    async def _call(self, frame: protocol.Call) -> None:
        await self._unacked.acquire()
        if self._nursery:
            self._nursery.start_soon(self._called, frame)

    async def _called(self, frame: protocol.Call) -> None:
        try:
            answer = await self._dispatcher.call(
                self._known(), frame.method, frame.path, bytes(frame.body), self._traceparent
            )
        finally:
            self._unacked.release()
        document = msgspec.Raw(answer.body or b"null")
        if answer.content_type == problem.CONTENT_TYPE:
            self._answer("error", frame.ref, problem=document)
        else:
            headers = {name.lower(): value for name, value in answer.headers}
            self._answer("ok", frame.ref, status=answer.status, headers=headers, body=document)

    def _known(self) -> Caller:
        if self._caller is None:
            detail = "a frame was let through before the dialogue began"
            raise AssertionError(detail)
        return self._caller

    def _answer(self, op: str, ref: protocol.Ref, **members: Any) -> None:
        if ref is not None:
            members = {"ref": ref, **members}
        self._outbound.answer(dialect.encode(op, members))

    def _refuse(self, ref: protocol.Ref, error: ParleyError) -> None:
        document = problem.problem_of(error, request_id=trace.new_request_id())
        self._answer("error", ref, problem=document)

    def _reset(self, frame: protocol.Subscribe, conversation_id: str | None) -> None:
        """The position was of a log that is gone: say so, and where history begins now."""
        epoch = self._known().environment.log.epoch
        self._answer("reset", frame.ref, conversation=conversation_id, earliest=0, epoch=epoch)

    def _end(self, close: Close, reason: str) -> None:
        """Say goodbye, and close when everything before it has been sent."""
        if self._dialogue.phase is Phase.ENDED:
            return
        self._dialogue.phase = Phase.ENDED
        self._closing = (close, reason)
        self._answer(
            "bye",
            None,
            code=close.code,
            reason=reason,
            reconnect=close.reconnect,
            retry_after=RESTART_RETRY_AFTER_S if close.reconnect else None,
        )
        self._outbound.finish()

    async def _end_at_expiry(self, moment: float) -> None:
        await trio.sleep_until(moment)
        self._end(Close.FORBIDDEN, "the key has expired")

    async def _end_at_stop(self) -> None:
        await self._stopping.wait()
        self._end(Close.RESTART, "the server is restarting")

    async def _pour(self) -> None:
        """Send until the end, then close and stop everything else of this connection."""
        try:
            await self._outbound.pour(self._transport.send)
        except ClientTooSlowError:
            self._dialogue.phase = Phase.ENDED
            self._closing = (Close.TOO_SLOW, "too slow; resume after the last version you saw")
        close, reason = self._closing
        with trio.move_on_after(AUTH_SECONDS):
            await self._transport.close(close.code, reason)
        if self._nursery:
            self._nursery.cancel_scope.cancel()
