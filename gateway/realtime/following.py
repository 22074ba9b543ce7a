"""What the frames that subscribe do (shell)."""

from engine.conversation.service import stream_of
from engine.environment import CATALOGUE
from engine.errors import ActorStoppedError, BadPositionError, WrongTypeError
from engine.events.filters import TypeFilter, type_filter
from engine.events.service import Start
from engine.log.cursor import AtVersion, Position
from gateway.api.conversation.resources import READ
from gateway.callers import Caller
from gateway.fanout.forms import Form
from gateway.fanout.hub import Member
from gateway.fanout.losing_access import PARTICIPANTS_CHANGED
from gateway.realtime import protocol
from gateway.realtime.answers import Answers
from gateway.realtime.line import Line
from gateway.realtime.subscriptions import Subscriptions
from persistence.records import Stream

EVERYTHING = TypeFilter()


class Following:
    """Carries out the frames of one caller that begin or end a subscription."""

    __slots__ = ("_answers", "_caller", "_ended", "_subscriptions")

    def __init__(
        self,
        caller: Caller,
        line: Line,
        *,
        form: Form,
        member: Member,
        answers: Answers,
    ) -> None:
        """Follow for ``caller``, in the bytes of ``form``."""
        self._caller = caller
        self._answers = answers
        self._ended = False
        self._subscriptions = Subscriptions(caller, line, form=form, member=member, lost=self._lost)

    def is_live(self, conversation_id: str) -> bool:
        """Say whether a conversation is followed, and all of it was told (``Subscriptions``)."""
        return self._subscriptions.is_live(stream_of(conversation_id))

    def lagging(self) -> list[tuple[str | None, int]]:
        """Return what is followed and behind, each with its place."""
        return self._subscriptions.lagging()

    def end(self) -> None:
        """Let everything go."""
        self._ended = True
        self._subscriptions.clear()

    async def subscribe(self, frame: protocol.Subscribe) -> None:
        """Follow what ``frame`` names.

        Raises:
            ParleyError: the refusal.
        """
        if (frame.conversation is None) == (frame.events is None):
            detail = "subscribe to a conversation, or to events"
            raise WrongTypeError(detail)
        if frame.conversation is not None:
            await self._subscribe_conversation(frame, frame.conversation)
        else:
            await self._subscribe_events(frame)

    async def _subscribe_conversation(self, frame: protocol.Subscribe, name: str) -> None:
        caller = self._caller
        caller.principal.require(READ)
        environment = caller.environment
        conversation_id, _ = environment.conversations.resolve(caller.principal, name)
        stream = stream_of(conversation_id)
        # Held before it is looked at: what happens in between is not missed.
        room = self._subscriptions.hold(stream, EVERYTHING)
        try:
            seen = await environment.conversations.see(caller.principal, name)
            start = await self._start(frame, stream, seen.version)
            self._check_open()
            self._subscriptions.check_count(stream)
        except BaseException:
            self._subscriptions.release(room)
            raise
        if start.reset:
            self._subscriptions.release(room)
            self._reset(frame, seen.id)
            return
        # Never ahead of what was seen: a removal in between would be passed over.
        after = start.after if caller.principal.staff else min(start.after, seen.version)
        self._answers.answer(
            "ok",
            frame.ref,
            conversation=seen.id,
            conversation_external_id=seen.external_id,
            version=seen.version,
            epoch=environment.log.epoch,
        )
        self._subscriptions.add(room, after=after, head=seen.version)

    async def _subscribe_events(self, frame: protocol.Subscribe) -> None:
        caller = self._caller
        caller.principal.require(("events:read",))
        caller.principal.require_staff("follow the events of everybody")
        types = type_filter(frame.events or (), CATALOGUE)
        start = await self._start(frame, None)
        self._check_open()
        self._subscriptions.check_count(None)
        if start.reset:
            self._reset(frame, None)
            return
        log = caller.environment.log
        room = self._subscriptions.hold(None, types)
        self._answers.answer("ok", frame.ref, cursor=log.cursors.make(start.after), epoch=log.epoch)
        self._subscriptions.add(room, after=start.after, head=log.committed())

    def unsubscribe(self, frame: protocol.Unsubscribe) -> None:
        """Follow it no longer.

        Raises:
            ParleyError: the refusal.
        """
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
            return Start(version if stream else environment.log.committed())
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

    def _check_open(self) -> None:
        """Refuse to go on for a connection that has ended meanwhile."""
        if self._ended:
            detail = "the connection has ended"
            raise ActorStoppedError(detail)

    def _reset(self, frame: protocol.Subscribe, conversation_id: str | None) -> None:
        """The position was of a log that is gone: say so, and where history begins now."""
        epoch = self._caller.environment.log.epoch
        self._answers.answer(
            "reset", frame.ref, conversation=conversation_id, earliest=0, epoch=epoch
        )
