"""What a handler of a command works with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from engine.engine import Engine

OnProgress = Callable[[int, int], Awaitable[None]]
"""Told (done, total) of a long command; it awaits, so that the command can be cancelled."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The server that carries the commands out."""

    url: str
    started_s: float
    """trio's time at which it was ready."""
    sandbox_key: str | None
    """The test key of ``parley dev``, for the same user's own commands; ``None`` in production."""


@dataclass(frozen=True, slots=True)
class Context:
    """An engine that runs, and the server around it; ``None`` = a command that runs alone."""

    engine: Engine
    data: Path
    serving: Serving | None = None
