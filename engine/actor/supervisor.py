"""Keeps one actor's failure to itself."""

import logging

from engine.actor.actor import Actor, Phase
from engine.actor.parking import Parking
from engine.actor.watchdog import TurnTooLongError, Watchdog
from engine.errors import ActorStoppedError
from engine.limits import FAILURES_BEFORE_PARKING

LOG = logging.getLogger("parley.actor")


class Supervisor:
    """Runs turns. A failure ends that actor, tells its askers, and touches nobody else."""

    def __init__(self, parking: Parking, watchdog: Watchdog) -> None:
        """Start with no failure counted; tell ``parking`` of each, let ``watchdog`` see turns."""
        self.failures = 0
        self._watchdog = watchdog
        self._parking = parking

    def turn(self, actor: Actor) -> bool:
        """Let ``actor`` take a turn; say whether it is still alive."""
        before = actor.version if self._parking else 0
        try:
            actor.turn(self._watchdog.guarded)
        except Exception as error:  # noqa: BLE001 - the one place: a failure ends the actor, loudly
            self.failed(actor, error)
        else:
            if self._parking and not actor.wanted_keys:
                self._parking.went_well(actor.stream, moved=actor.version > before)
        return actor.phase is Phase.READY

    def failed(self, actor: Actor, error: Exception) -> None:
        """End ``actor`` because of ``error``: its askers may try again, the log keeps the truth."""
        self.failures += 1
        place = {"stream_kind": actor.stream.kind, "stream": actor.stream.name}
        LOG.error("an actor failed and was ended", exc_info=error, extra=place)
        if seconds := self._parking.failed(actor.stream, times=_weight(error)):
            LOG.error("a stream that fails again and again is parked: %d s", seconds, extra=place)
        actor.end(ActorStoppedError("the actor ended before it answered; try again"))


def _weight(error: Exception) -> int:
    """A turn that had to be ended held everybody up: its stream is not let try four times more."""
    return FAILURES_BEFORE_PARKING if isinstance(error, TurnTooLongError) else 1
