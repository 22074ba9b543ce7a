"""Finds or starts the actor of a stream, calls its turns, and lets it go again (shell).

One task calls the turns of all actors with work, once a pass: a burst wakes it once. An actor gets
a task of its own only while it must wait: to replay its stream, or for a subject's key.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from engine.actor.actor import Actor, Phase
from engine.actor.kind import Kind
from engine.actor.mailbox import MailboxStatistics
from engine.actor.outcome import Envelope, Origin, Outcome, Query
from engine.actor.parking import Parking
from engine.actor.rehydration import rehydrate
from engine.actor.snapshots import Snapshots
from engine.actor.supervisor import Supervisor
from engine.actor.watchdog import Watchdog
from engine.errand import Reply
from engine.errors import ActorStoppedError, OutcomeUnknownError, ParleyError
from engine.limits import (
    ASK_SECONDS,
    LIVE_ACTORS_MAX,
    REHYDRATIONS_AT_ONCE_MAX,
    SNAPSHOT_EVENTS,
    SNAPSHOT_EVENTS_WORTHWHILE,
)
from engine.log.log import Log
from persistence.records import Stream


@dataclass(frozen=True, slots=True)
class RegistryStatistics:
    """What an operator wants to know of all actors of one environment."""

    actors: int
    """In memory."""
    failures: int
    """Ended by a failure, since the start."""
    parked: int
    """Streams that are let alone because their actors failed again and again."""
    waiting: MailboxStatistics
    """In all mailboxes."""
    deepest: MailboxStatistics
    """The most commands and the most bytes that wait in one."""


class Registry:
    """All actors of one environment."""

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        log: Log,
        *,
        snapshots: Snapshots,
        watchdog: Watchdog,
        now_ms: Callable[[], int],
        live_actors_max: int = LIVE_ACTORS_MAX,
    ) -> None:
        """Serve streams of these ``kinds``; hold at most ``live_actors_max`` idle ones."""
        self._kinds = kinds
        self._log = log
        self._snapshots = snapshots
        self._now_ms = now_ms
        self._live_actors_max = live_actors_max
        self._parking = Parking(trio.current_time)
        self._supervisor = Supervisor(self._parking, watchdog)
        self._actors: OrderedDict[Stream, Actor] = OrderedDict()
        self._ready: list[Actor] = []
        self._wake = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._renewals = 0
        self._rehydrations = trio.CapacityLimiter(REHYDRATIONS_AT_ONCE_MAX)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Call turns until cancelled; then every asker is told that its actor stopped."""
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._snapshots.run)
                task_status.started()
                while True:
                    await self._wake.wait()
                    self._wake = trio.Event()
                    ready, self._ready = self._ready, []
                    for actor in ready:
                        self._turn(actor)
        finally:
            self._nursery = None
            for actor in list(self._actors.values()):
                actor.end(ActorStoppedError("the server is stopping; try again"))
            self._actors.clear()

    def tell(self, stream: Stream, envelope: Envelope) -> None:
        """Put a command into the mailbox of the stream's actor, starting it if need be.

        Raises:
            BusyError: the mailbox is full, its stream is parked, or the engine is stopping.
                Nothing was taken.
        """
        if self._parking:
            self._parking.admit(stream, is_question=isinstance(envelope.command, Query))
        actor = self._live(stream)
        actor.mailbox.put(envelope)
        if actor.phase is Phase.READY:
            self._queue(actor)

    async def ask(
        self,
        stream: Stream,
        command: Any,
        origin: Origin,
        *,
        size: int = 256,
        look: Callable[[Any], Any] | None = None,
    ) -> Outcome:
        """Tell, and wait for the outcome at most ``ASK_SECONDS``. ``look``: see ``Envelope``.

        Raises:
            ParleyError: the refusal or failure.
            OutcomeUnknownError: no answer in time; the command may still be carried out.
        """
        reply: Reply[Outcome | ParleyError] = Reply()
        self.tell(stream, Envelope(command, origin, reply.give, size, look))
        answer = await reply.within(ASK_SECONDS)
        if answer is None:
            detail = "no answer in time; repeat with the same idempotency key to learn the outcome"
            raise OutcomeUnknownError(detail)
        if isinstance(answer, ParleyError):
            raise answer
        return answer

    def renew(self) -> None:
        """Let every actor forget all it knows: each is replayed before it decides anything more.

        Nobody who asks is refused: what waits is decided by the successor. Costs a replay for each
        stream that is asked next.
        """
        self._renewals += 1
        for stream, actor in list(self._actors.items()):
            if actor.idle:
                del self._actors[stream]
            elif actor.phase is not Phase.STARTING:  # one that is looks again by itself
                successor = Actor(stream, self._kinds[stream.kind], self._log, self._now_ms)
                self._actors[stream] = successor
                actor.hand_over(successor)
                actor.when_drained(partial(self._start, successor))

    async def forget_kept(self) -> None:
        """Keep no snapshot: those of one stream hold the ids of everybody who took part in it.

        Raises:
            StoreError: some may still be there; call again.
        """
        await self._snapshots.forget_all()

    def live(self) -> int:
        """Return how many actors are in memory."""
        return len(self._actors)

    def statistics(self) -> RegistryStatistics:
        """Look at every mailbox: about 0.1 µs for each that is empty."""
        busy = [one.mailbox.statistics() for one in self._actors.values() if one.mailbox]
        commands, sizes = [one.commands for one in busy], [one.bytes for one in busy]
        return RegistryStatistics(
            actors=len(self._actors),
            failures=self._supervisor.failures,
            parked=self._parking.parked(),
            waiting=MailboxStatistics(sum(commands), sum(sizes)),
            deepest=MailboxStatistics(max(commands, default=0), max(sizes, default=0)),
        )

    def _live(self, stream: Stream) -> Actor:
        actor = self._actors.get(stream)
        if actor is None or actor.phase is Phase.ENDED:
            if self._nursery is None:
                detail = "the server is stopping; try again"
                raise ActorStoppedError(detail)
            before = actor
            actor = Actor(stream, self._kinds[stream.kind], self._log, self._now_ms)
            self._actors[stream] = actor
            if before is None:
                self._start(actor)
            else:  # what it has in flight may still be committed, and must be replayed too
                before.when_drained(partial(self._start, actor))
            self._let_idle_ones_go()
        if len(self._actors) > self._live_actors_max // 2:  # else nobody will be let go
            self._actors.move_to_end(stream)
        return actor

    def _start(self, actor: Actor) -> None:
        if self._nursery is None:
            actor.end(ActorStoppedError("the server is stopping; try again"))
        else:
            self._nursery.start_soon(self._rehydrate, actor)

    def _let_idle_ones_go(self) -> None:
        """Forget the longest unused actors; their streams hold everything they knew."""
        for stream in list(self._oldest(len(self._actors) - self._live_actors_max)):
            actor = self._actors[stream]
            if actor.idle:
                del self._actors[stream]
                if actor.lags(SNAPSHOT_EVENTS_WORTHWHILE):
                    self._snapshots.due(actor)

    def _oldest(self, count: int) -> list[Stream]:
        return [stream for stream, _ in zip(self._actors, range(max(0, count)), strict=False)]

    def _queue(self, actor: Actor) -> None:
        if not actor.queued:
            actor.queued = True
            self._ready.append(actor)
            self._wake.set()

    def _turn(self, actor: Actor) -> None:
        actor.queued = False
        if actor.phase is not Phase.READY or not self._supervisor.turn(actor):
            return
        if actor.lags(SNAPSHOT_EVENTS):
            self._snapshots.due(actor)
        if actor.wanted_keys and self._nursery:
            actor.phase = Phase.WAITING
            self._nursery.start_soon(self._open_keys, actor)
        elif actor.mailbox:
            self._queue(actor)

    async def _rehydrate(self, actor: Actor) -> None:
        try:
            async with self._rehydrations:
                await self._replay(actor)
        except ParleyError as error:
            actor.end(error)
        except Exception as error:  # noqa: BLE001 - told to the supervisor, which ends the actor
            self._supervisor.failed(actor, error)
        else:
            self._begin(actor)

    async def _replay(self, actor: Actor) -> None:
        """Bring an actor up to date; anew if it was renewed meanwhile."""
        while True:
            renewals = self._renewals
            await rehydrate(actor, self._log, self._snapshots)
            if renewals == self._renewals:
                return
            actor.forget()

    async def _open_keys(self, actor: Actor) -> None:
        wanted, actor.wanted_keys = actor.wanted_keys, ()
        try:
            await self._log.keyring.ensure(wanted)
        except Exception as error:  # noqa: BLE001 - told to the supervisor, which ends the actor
            self._supervisor.failed(actor, error)
        else:
            self._begin(actor)

    def _begin(self, actor: Actor) -> None:
        if actor.phase is not Phase.ENDED:
            actor.phase = Phase.READY
            if actor.mailbox:
                self._queue(actor)
