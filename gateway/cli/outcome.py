"""How a command ends: what people are told when it cannot do its work."""

import sys
from collections.abc import Callable

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


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
