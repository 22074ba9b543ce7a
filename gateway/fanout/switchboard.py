"""What all connections of a node share: timers, errands, the outflow, rooms, hubs and sessions."""

import random
from collections import Counter
from typing import Protocol

import trio

from engine.environment import Environment
from engine.errand import Errands
from engine.limits import ASK_SECONDS
from gateway.fanout.hub import Hubs
from gateway.fanout.outflow import Outflow
from gateway.fanout.rooms import Rooms
from gateway.limits import (
    DRAIN_BATCH_MIN,
    DRAIN_BATCHES,
    DRAIN_SECONDS,
    RETRY_AFTER_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MIN,
)
from gateway.wheel import Wheel


class Stoppable(Protocol):
    """A session, or a stream: something that a stopping server says goodbye to."""

    def stop(self, retry_after_s: float) -> None:
        """End, after what is under way was answered."""

    def sees_as(self, environment: Environment, contact_id: str) -> bool:
        """Say whether what it may see there may be so by a customer, its own or its account's."""


class Sessions:
    """The open sessions of a node, counted by subprotocol and by key."""

    def __init__(self, *, per_key: int = 0) -> None:
        """Let one key have ``per_key`` sessions; 0 = any number."""
        self.counts: Counter[str] = Counter()
        self._per_key = per_key
        self._open: dict[Stoppable, tuple[str, str | None]] = {}
        self._of_key: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def add(self, session: Stoppable, subprotocol: str) -> None:
        """Note that a session was opened."""
        self._open[session] = (subprotocol, None)
        self.counts[subprotocol] += 1

    def has_room(self, key_id: str) -> bool:
        """Say whether a key may have one more."""
        return not self._per_key or self._of_key[key_id] < self._per_key

    def enter(self, session: Stoppable, key_id: str) -> bool:
        """Note whose it is; ``False`` if its key has as many as it may."""
        if not self.has_room(key_id):
            return False
        self._open[session] = (self._open[session][0], key_id)
        self._of_key[key_id] += 1
        return True

    def discard(self, session: Stoppable) -> None:
        """Note that it has ended; harmless when it was noted before."""
        known = self._open.pop(session, None)
        if known is None:
            return
        subprotocol, key_id = known
        self.counts[subprotocol] -= 1
        if key_id is not None:
            self._of_key[key_id] -= 1
            if not self._of_key[key_id]:
                del self._of_key[key_id]

    def look_again(self, environment: Environment, contact_id: str) -> None:
        """Let everybody who has seen by a customer come back, and see what there is to see now."""
        for session in [one for one in self._open if one.sees_as(environment, contact_id)]:
            session.stop(RETRY_AFTER_SECONDS_MIN)

    async def drain(self) -> None:
        """Say goodbye to all, a batch at a time, each told another moment to come back at.

        So a restart is not followed by everybody at once.
        """
        waiting = list(self._open)
        random.shuffle(waiting)
        size = max(DRAIN_BATCH_MIN, -(-len(waiting) // DRAIN_BATCHES))
        for begin in range(0, len(waiting), size):
            for session in waiting[begin : begin + size]:
                low, high = RETRY_AFTER_SECONDS_MIN, RETRY_AFTER_SECONDS_MAX
                session.stop(round(random.uniform(low, high), 1))  # noqa: S311 - spreads load
            if begin + size < len(waiting):
                await trio.sleep(DRAIN_SECONDS / DRAIN_BATCHES)


class Switchboard:
    """Made once a node."""

    def __init__(self, *, sessions_per_key: int = 0) -> None:
        """Start without connections."""
        self.wheel = Wheel()
        self.errands = Errands(seconds=ASK_SECONDS)
        self.outflow = Outflow()
        self.hubs = Hubs()
        self.sessions = Sessions(per_key=sessions_per_key)
        """Open WebSockets, by subprotocol."""
        self.streams = Sessions(per_key=sessions_per_key)
        """Open SSE and NDJSON answers, by media type."""
        self._rooms: dict[Environment, Rooms] = {}

    def rooms_of(self, environment: Environment) -> Rooms:
        """Return the rooms of an environment."""
        rooms = self._rooms.get(environment)
        if rooms is None:
            rooms = Rooms(environment.bus, environment.log, self.outflow)
            self._rooms[environment] = rooms
            environment.erasures.when_erased(lambda subject: self._forget(environment, subject))
        return rooms

    def _forget(self, environment: Environment, subject: str) -> None:
        """Keep no byte that was made of what an erased customer has said, and let it go."""
        self.rooms_of(environment).pages.clear()
        self.hubs.of(environment.workspace, environment.name).forget_marks()
        self.sessions.look_again(environment, subject)
        self.streams.look_again(environment, subject)
        environment.external_ids.forget()

    async def drain(self) -> None:
        """Say goodbye to every session and stream."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.sessions.drain)
            nursery.start_soon(self.streams.drain)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.errands.run)
            nursery.start_soon(self.wheel.run)
            nursery.start_soon(self.outflow.run)
            nursery.start_soon(self.hubs.run)
            task_status.started()
