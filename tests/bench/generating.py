"""Runs the compiled generator against servers of the test's own process."""

import functools
import re
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec

import pytest
import trio

from bench.load import compiled
from bench.load.compiled import GeneratorError, Setting

SECONDS_MAX = 20.0
MEMBERS = 3
WINDOW = 4
WRONG = ("lost", "doubled", "disordered", "errors", "unacked", "unfinished", "version_faults")

P = ParamSpec("P")
Figures = dict[str, Any]


def where_it_can_be_built(test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
    """Return the test; without a compiler, one of the refusal."""

    @functools.wraps(test)
    async def tried(*args: P.args, **kwargs: P.kwargs) -> None:
        if compiled.available():
            await test(*args, **kwargs)
            return
        with pytest.raises(GeneratorError, match=re.escape(str(compiled.missing()))):
            compiled.built()

    return tried


async def figures(scenario: str, port: int, **settings: Setting) -> Figures:
    """Run the generator against a server of this very process."""
    asked: dict[str, Setting] = {
        "port": port,
        "warmup": 0,
        "secs": 0.3,
        "patience": SECONDS_MAX / 2,
    }
    run = functools.partial(compiled.run, scenario, asked | settings, seconds_max=SECONDS_MAX)
    return await trio.to_thread.run_sync(run)


async def fan_out(port: int, **settings: Setting) -> Figures:
    room: dict[str, Setting] = {"dialect": "ws", "members": MEMBERS, "window": WINDOW}
    return await figures("fanout", port, **room | settings)


def wrong(found: Figures) -> dict[str, int]:
    return {name: found[name] for name in WRONG if found[name]}
