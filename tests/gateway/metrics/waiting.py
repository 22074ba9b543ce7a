"""Waiting for a figure that something else moves."""

from collections.abc import Callable

import trio

PATIENCE_SECONDS = 10


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until ``condition`` holds."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            await trio.lowlevel.checkpoint()
            if condition():
                return
