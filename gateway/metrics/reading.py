"""One look at everything that knows a figure, taken when the metrics are asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.engine import Engine
from gateway.fanout.switchboard import Switchboard
from gateway.metrics.commits import CommitTally
from gateway.metrics.connections import OpenConnections
from gateway.metrics.loop import LoopLag
from gateway.metrics.requests import RequestTally


def nothing_known() -> Mapping[str, int]:
    """Stand for a store that does not say what waits: there is no figure then, not a nought."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything that knows a figure of one node."""

    version: str
    engine: Engine
    switchboard: Switchboard
    requests: RequestTally = field(default_factory=RequestTally)
    commits: CommitTally = field(default_factory=CommitTally)
    connections: OpenConnections = field(default_factory=OpenConnections)
    loop: LoopLag = field(default_factory=LoopLag)
    records_waiting: Callable[[], Mapping[str, int]] = nothing_known
    """By kind of environment: records that have a position and are not on disk yet."""


@dataclass(slots=True)
class EnvironmentFigures:
    """All open environments of one kind, added up: no tenant is told apart."""

    count: int = 0
    position: int = 0
    actors: int = 0
    parked: int = 0
    failures: int = 0
    commands: int = 0
    bytes: int = 0
    deepest_commands: int = 0
    deepest_bytes: int = 0


@dataclass(slots=True)
class ConsumerFigures:
    """The consumers of one name, in all open environments of one kind."""

    lag: int = 0
    lag_seconds: float = 0.0
    stopped: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """The sources, and what is added up once for all metrics."""

    sources: Sources
    environments: dict[str, EnvironmentFigures]
    """By kind: ``live``, ``test``, ``workspace``."""
    consumers: dict[tuple[str, str], ConsumerFigures]
    """By kind of environment and name."""


def read(sources: Sources) -> Reading:
    """Add up the open environments: one look at every live actor, 0.1 µs each."""
    found: dict[str, EnvironmentFigures] = {}
    consumers: dict[tuple[str, str], ConsumerFigures] = {}
    for environment in sources.engine.opened():
        figures = found.setdefault(environment.name, EnvironmentFigures())
        registry = environment.registry.statistics()
        figures.count += 1
        figures.position += environment.log.committed()
        figures.actors += registry.actors
        figures.parked += registry.parked
        figures.failures += registry.failures
        figures.commands += registry.waiting.commands
        figures.bytes += registry.waiting.bytes
        figures.deepest_commands = max(figures.deepest_commands, registry.deepest.commands)
        figures.deepest_bytes = max(figures.deepest_bytes, registry.deepest.bytes)
        for consumer in environment.consumers.values():
            behind = consumers.setdefault((environment.name, consumer.name), ConsumerFigures())
            behind.lag += consumer.lag
            behind.lag_seconds = max(behind.lag_seconds, consumer.lag_seconds)
            behind.stopped += consumer.failed
    return Reading(sources, found, consumers)
