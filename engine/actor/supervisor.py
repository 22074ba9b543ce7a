"""Keeps one actor's failure to itself."""

import logging

from engine.actor.actor import Actor, Phase
from engine.errors import ActorStoppedError

LOG = logging.getLogger("parley.actor")


class Supervisor:
    """Runs turns. A failure ends that actor, tells its askers, and touches nobody else."""

    def __init__(self) -> None:
        """Start with no failure counted."""
        self.failures = 0

    def turn(self, actor: Actor) -> bool:
        """Let ``actor`` take a turn; say whether it is still alive."""
        try:
            actor.turn()
        except Exception as error:  # noqa: BLE001 - the one place: a failure ends the actor, loudly
            self.failed(actor, error)
        return actor.phase is Phase.READY

    def failed(self, actor: Actor, error: Exception) -> None:
        """End ``actor`` because of ``error``: its askers may try again, the log keeps the truth."""
        self.failures += 1
        LOG.error(
            "an actor failed and was ended",
            exc_info=error,
            extra={"stream_kind": actor.stream.kind, "stream": actor.stream.name},
        )
        actor.end(ActorStoppedError("the actor ended before it answered; try again"))
