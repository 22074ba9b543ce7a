"""How a command ends: what people are told when it cannot do its work."""

import sys
from collections.abc import Callable

from engine.errors import ParleyError, WrongMasterKeyError
from gateway.config import UnsafeSettingsError
from persistence.errors import StoreError

FAILED = 1
MENDABLE = (UnsafeSettingsError, WrongMasterKeyError, ParleyError, StoreError, OSError)


def guarded(command: Callable[[], None]) -> int:
    """Run ``command``; turn what people can mend into one clear line, and an exit status."""
    try:
        command()
    except MENDABLE as error:
        print(f"parley: {error}", file=sys.stderr)
        return FAILED
    except BaseExceptionGroup as group:
        mendable, rest = group.split(MENDABLE)
        if rest is not None or mendable is None:
            raise
        print(f"parley: {_first(mendable)}", file=sys.stderr)
        return FAILED
    return 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
