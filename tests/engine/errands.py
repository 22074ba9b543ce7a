"""Errands under way, and what is told when they are done."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from engine.errand import Errands

SECONDS = 8.0


class OddError(Exception):
    """What an errand fails with."""


@dataclass
class Ended:
    """What was told when an errand was done; each is told once."""

    told: list[tuple[Any, Exception | None]] = field(default_factory=list)

    def __call__(self, result: Any, error: Exception | None) -> None:
        self.told.append((result, error))

    @property
    def result(self) -> Any:
        ((result, error),) = self.told
        assert error is None, error
        return result

    @property
    def error(self) -> Exception:
        ((result, error),) = self.told
        assert result is None
        assert error is not None
        return error


@asynccontextmanager
async def running() -> AsyncIterator[Errands]:
    errands = Errands(seconds=SECONDS)
    async with trio.open_nursery() as nursery:
        await nursery.start(errands.run)
        yield errands
        nursery.cancel_scope.cancel()


def begun(errands: Errands, coroutine: Coroutine[Any, Any, Any]) -> Ended:
    ended = Ended()
    errands.begin(coroutine, ended)
    return ended


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living
