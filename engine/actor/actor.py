"""One actor: the only writer of one stream. Its turn is a plain function that never awaits.

While a batch commits the next one gathers; it may be decided against the applied-but-unconfirmed
state, but no answer leaves before the commit it rests on. A failed commit ends the actor.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum

from msgspec.structs import replace

from engine import ids
from engine.actor.kind import Kind
from engine.actor.mailbox import Mailbox
from engine.actor.memory import KeyMemory, Remembered
from engine.actor.outcome import Accepted, Answer, Envelope, Origin, Outcome, Query, Replayed
from engine.actor.snapshot_codec import Capture, Known
from engine.errors import IdempotencyInProgressError, ParleyError
from engine.feature import Payload, encode
from engine.limits import TURN_COMMANDS_MAX
from engine.log.codec import is_nobody
from engine.log.event import PUBLIC, STAFF_ONLY, Event
from engine.log.log import EventWrite, Log
from persistence.records import Stream

Guarded = Callable[[Callable[[], None]], None]
"""Calls what it is given."""


class Phase(Enum):
    """Where an actor stands in its life."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    ENDED = "ended"


class _Batch:
    """One submit on its way to the disk, with the answers that wait for it."""

    __slots__ = ("answers", "then", "version")

    def __init__(self, version: int, answers: "_Settled") -> None:
        self.version = version
        self.answers = answers
        self.then: Callable[[bool], None] | None = None


class Actor:
    """Decides, applies and submits for one stream; answers when the log says it is on disk."""

    __slots__ = (
        "_at_once",
        "_confirmed",
        "_drafts",
        "_handled",
        "_in_flight",
        "_keys",
        "_last_event_id",
        "_log",
        "_now_ms",
        "_on_drained",
        "_settled",
        "_state",
        "_taken",
        "kept",
        "kind",
        "mailbox",
        "phase",
        "queued",
        "stream",
        "wanted_keys",
    )

    def __init__(self, stream: Stream, kind: Kind, log: Log, now_ms: Callable[[], int]) -> None:
        """Begin with an empty state: ``replay`` brings it up to date before the first turn."""
        self.stream = stream
        self.mailbox = Mailbox()
        self.phase = Phase.STARTING
        self.queued = False
        self.wanted_keys: tuple[str, ...] = ()
        self.kind = kind
        self.kept = 0
        """The version of its newest snapshot, also of one that is still to be written."""
        self._log = log
        self._now_ms = now_ms
        self._state = kind.initial(stream.name)
        self._keys = KeyMemory()
        self._last_event_id = b""
        self._confirmed = 0
        self._in_flight: deque[_Batch] = deque()
        self._on_drained: Callable[[], None] | None = None
        self._drafts: list[Event] = []
        self._settled: _Settled = []
        self._at_once: _Settled = []
        """Answers that wait for no commit."""
        self._taken: list[Envelope] = []
        self._handled = 0

    @property
    def idle(self) -> bool:
        """Say whether nothing waits here, so that it may be let go."""
        if self._in_flight or self.mailbox:
            return False
        return self.phase in {Phase.READY, Phase.ENDED}

    @property
    def version(self) -> int:
        """The version its state is at, on disk or on the way there."""
        return int(self._state.version)

    def lags(self, events: int) -> bool:
        """Say whether so many events have come since its newest snapshot, and it leaves any."""
        return self._state.version - self.kept >= events and self.kind.form is not None

    def restore(self, known: Known) -> None:
        """Go on from a snapshot whose event the log has."""
        self._state, self._keys = known.state, known.keys
        self._last_event_id = known.event_id
        self._confirmed = self.kept = known.version

    def capture(self) -> Capture | None:
        """Return what it knows now, as bytes; ``None`` if it has ended, or leaves no snapshots.

        Never inside a turn. It is true of the disk only ``when_committed``.
        """
        form, state = self.kind.form, self._state
        if form is None or self.phase is Phase.ENDED:
            return None
        return Capture(
            stream=self.stream,
            version=state.version,
            event_id=self._last_event_id,
            schema=form.schema,
            subject=form.owner(state),
            state=form.dump(state),
            keys=self._keys.dump(),
        )

    def when_committed(self, call: Callable[[bool], None]) -> None:
        """Call with ``True`` once all that is known now is on disk; ``False`` if it will not be."""
        if self._in_flight:
            self._in_flight[-1].then = call
        else:
            call(True)  # noqa: FBT003 - committed

    def replay(self, event: Event) -> None:
        """Apply an event read from the log."""
        self._apply(event)
        self._confirmed = event.version

    def turn(self, guarded: Guarded) -> None:
        """Take up to ``TURN_COMMANDS_MAX`` commands, decide and apply them, and submit once.

        Stops early, with ``wanted_keys`` set, at a command whose subject has no open key yet.
        An exception other than a refusal leaves the actor unusable: the caller must ``end`` it.

        Args:
            guarded: calls the rules, and may end them at any line with an exception. Nothing that
                others share is changed meanwhile, and nobody is answered.
        """
        self._taken, self._handled = self.mailbox.take(TURN_COMMANDS_MAX), 0
        guarded(self._handle_all)
        taken, self._taken = self._taken, []
        if self._handled < len(taken):
            self.mailbox.put_back(taken[self._handled :])
        self._submit()
        if self._at_once:
            at_once, self._at_once = self._at_once, []
            _tell(at_once)

    def end(self, error: ParleyError) -> None:
        """Take no more work: tell ``error`` to everyone whose command is not on its way to disk.

        Batches in flight are still answered, each by its own commit. The stream is replayed when
        the next command comes.
        """
        self.phase = Phase.ENDED
        settled, self._settled = self._settled + self._at_once, []
        taken, self._taken, self._at_once = self._taken, [], []
        known = {id(envelope) for envelope, _ in settled}
        _refuse(settled, error)
        for envelope in [one for one in taken if id(one) not in known] + self.mailbox.drain():
            envelope.answer(error)

    def forget(self) -> None:
        """Know nothing again, so that the stream is replayed from its beginning."""
        self._state = self.kind.initial(self.stream.name)
        self._keys = KeyMemory()
        self._confirmed = self.kept = 0

    def hand_over(self, successor: "Actor") -> None:
        """Take no more work: what waits here is the successor's. What is in flight is answered."""
        self.phase = Phase.ENDED
        for envelope in self.mailbox.drain():
            successor.mailbox.put(envelope)

    def when_drained(self, call: Callable[[], None]) -> None:
        """Call ``call`` once no batch is in flight: until then the log has not said all it will."""
        if self._in_flight:
            self._on_drained = call
        else:
            call()

    def _handle_all(self) -> None:
        """Deal with what was taken, up to a command that needs a key."""
        for envelope in self._taken:
            try:
                if not self._decide(envelope):
                    return
            except ParleyError as refusal:
                self._settled.append((envelope, refusal))
            self._handled += 1

    def _decide(self, envelope: Envelope) -> bool:
        if isinstance(envelope.command, Query):
            self._settled.append((envelope, Answer(envelope.command.ask(self._state))))
            return True
        now_ms = self._now_ms()
        if self._answered_before(envelope, now_ms):
            return True
        payloads = self.kind.decide(self._state, envelope.command)
        if missing := self._closed_keys(payloads):
            self.wanted_keys = missing
            return False
        if not payloads:
            self._nothing_happened(envelope.origin, now_ms)
        events = self._all_happened(payloads, envelope.origin, now_ms)
        seen = envelope.look(self._state) if envelope.look else None
        self._settled.append((envelope, Accepted(events, seen)))
        return True

    def _answered_before(self, envelope: Envelope, now_ms: int) -> bool:
        """The key is checked before the version, so that a retry is never a conflict."""
        origin = envelope.origin
        if origin.command_key is None:
            return False
        version = self._keys.version_of(origin.command_key, origin.fingerprint, now_ms=now_ms)
        if version is None:
            return False
        if version > self._confirmed:
            detail = "the first request with this key is still running"
            self._at_once.append((envelope, IdempotencyInProgressError(detail)))
        else:
            self._settled.append((envelope, Replayed(version)))
        return True

    def _closed_keys(self, payloads: tuple[Payload, ...]) -> tuple[str, ...]:
        subject, state, opened = self.kind.subject, self._state, self._log.keyring.opened
        names = [name for one in payloads if opened(name := subject(state, one)) is None]
        return tuple(names)

    def _all_happened(
        self, payloads: tuple[Payload, ...], origin: Origin, now_ms: int
    ) -> tuple[Event, ...]:
        """Make the events of one command, in order. Its key travels on the last one.

        What is sealed for somebody else than the last one names a customer that acted by its
        TypeID: its own id would outlive it there.
        """
        last = len(payloads) - 1
        acting, others = "", origin
        if last > 0 and not is_nobody(origin.actor):
            acting = self.kind.subject(self._state, payloads[last])
            others = replace(origin, actor=acting)
        events = []
        for number, payload in enumerate(payloads):
            subject = self.kind.subject(self._state, payload)
            by = others if number < last and subject != acting else origin
            events.append(self._happened(payload, by, now_ms, subject, keyed=number == last))
        return tuple(events)

    def _happened(
        self, payload: Payload, origin: Origin, now_ms: int, subject: str, *, keyed: bool
    ) -> Event:
        """Make one event, sealed for ``subject``, and apply it."""
        state = self._state
        event = Event(
            stream=self.stream,
            version=state.version + 1,
            uuid=ids.new_uuid(),
            type=payload.type_name,
            schema=payload.schema,
            time_ms=now_ms,
            visibility=STAFF_ONLY if self.kind.staff_only(payload) else PUBLIC,
            previous_public=state.last_public_version,
            actor=origin.actor,
            subject=subject,
            data=encode(payload),
            payload=payload,
            command_key=origin.command_key if keyed else None,
            fingerprint=origin.fingerprint if keyed else None,
            traceparent=origin.traceparent,
            about=payload.about(),
        )
        self._apply(event)
        self._drafts.append(event)
        return event

    def _nothing_happened(self, origin: Origin, now_ms: int) -> None:
        """Remember the key as well, as long as the actor lives: the log has nothing to carry it."""
        if origin.command_key is not None:
            seen = Remembered(self._state.version, origin.fingerprint, now_ms)
            self._keys.remember(origin.command_key, seen)

    def _apply(self, event: Event) -> None:
        self.kind.advance(self._state, event)
        self._last_event_id = event.uuid
        if event.command_key is not None:
            seen = Remembered(event.version, event.fingerprint, event.time_ms)
            self._keys.remember(event.command_key, seen)

    def _submit(self) -> None:
        """Send the turn's events to the log; what needs no commit waits for the last one."""
        drafts, self._drafts = self._drafts, []
        if drafts:
            write = EventWrite(self.stream, drafts[0].version - 1, tuple(drafts))
            try:
                self._log.submit([write], self._committed)
            except ParleyError as error:
                self.end(error)
                return
        settled, self._settled = self._settled, []
        if drafts:
            self._in_flight.append(_Batch(drafts[-1].version, settled))
        elif self._in_flight:
            self._in_flight[-1].answers += settled
        else:
            _tell(settled)

    def _committed(self, error: ParleyError | None) -> None:
        batch = self._in_flight.popleft()
        if error is None:
            self._confirmed = batch.version
            _tell(batch.answers)
        else:
            _refuse(batch.answers, error)
            self.end(error)
        if batch.then is not None:
            batch.then(error is None)
        if self._on_drained is not None and not self._in_flight:
            self._on_drained()


_Settled = list[tuple[Envelope, Outcome | ParleyError]]


def _tell(settled: _Settled) -> None:
    for envelope, outcome in settled:
        envelope.answer(outcome)


def _refuse(settled: _Settled, error: ParleyError) -> None:
    for envelope, _ in settled:
        envelope.answer(error)
