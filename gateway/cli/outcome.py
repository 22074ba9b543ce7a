"""How a command ends: what people are told when it cannot do its work."""

import signal
import sys
from collections.abc import Awaitable, Callable

import trio

from engine.errors import ParleyError, WrongMasterKeyError
from gateway.config import UnsafeSettingsError
from gateway.control.errors import CommandError
from persistence.errors import StoreError

FAILED = 1
INTERRUPTED = 130
"""The status of a command that Ctrl-C has ended, as shells know it: 128 and SIGINT."""

MENDABLE = (
    CommandError,
    OSError,
    ParleyError,
    StoreError,
    UnsafeSettingsError,
    WrongMasterKeyError,
)


def guarded(command: Callable[[], None]) -> int:
    """Run ``command``; turn what people can mend into one clear line, and an exit status.

    Raises:
        KeyboardInterrupt: it was ended by Ctrl-C, alone and not in a group.
    """
    try:
        command()
    except MENDABLE as error:
        print(f"parley: {error}", file=sys.stderr)
        return FAILED
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is not None:
            raise KeyboardInterrupt from None
        mendable, rest = group.split(MENDABLE)
        if rest is not None or mendable is None:
            raise
        print(f"parley: {_first(mendable)}", file=sys.stderr)
        return FAILED
    return 0


async def interruptible(work: Callable[[], Awaitable[None]]) -> None:
    """Run ``work`` until it is done or Ctrl-C cancels it.

    Python would raise ``KeyboardInterrupt`` in whichever line runs at the moment, amid a write of
    the store for one, and what fails because of that would hide it.

    Raises:
        KeyboardInterrupt: it was cancelled, and everything is closed.
    """
    interrupted = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_cancel_at_interrupt, nursery.cancel_scope, interrupted)
            await work()
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup:
        if interrupted.is_set():
            raise KeyboardInterrupt from None
        raise
    if interrupted.is_set():
        raise KeyboardInterrupt


async def _cancel_at_interrupt(
    scope: trio.CancelScope,
    interrupted: trio.Event,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            interrupted.set()
            scope.cancel()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
