"""Parley, killed by itself at one exact place: ``python -m tests.crash.killed PLACE dev …``."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from engine.admin.service import Erasures
from gateway.cli import main
from persistence.sqlite import subject_keys
from persistence.sqlite.ledger import FileLedger
from persistence.sqlite.subject_keys import SqliteSubjectKeys


@dataclass(frozen=True)
class Place:
    """Before or behind the ``nth`` call of a function."""

    owner: Any
    name: str
    behind: bool
    nth: int = 1


ERASING = {
    "before the ledger says that it is to be": Place(FileLedger, "_append", behind=False),
    "behind the ledger's first word": Place(FileLedger, "_append", behind=True),
    "before the key is destroyed": Place(SqliteSubjectKeys, "destroy", behind=False),
    "amid the destruction": Place(subject_keys, "empty_log", behind=False),
    "before the last copy is gone": Place(subject_keys, "empty_log", behind=False, nth=2),
    "behind the destruction": Place(SqliteSubjectKeys, "destroy", behind=True),
    "behind the event": Place(Erasures, "_told", behind=True),
    "behind the ledger's last word": Place(FileLedger, "_append", behind=True, nth=2),
}
ROTATING = {
    "before the first copy": Place(subject_keys, "_replace", behind=False),
    "amid the copies": Place(subject_keys, "_replace", behind=True),
    "behind the copies": Place(subject_keys, "_replace", behind=True, nth=2),
    "amid a replacement": Place(subject_keys, "_forget", behind=False, nth=3),
    "amid the replacements": Place(subject_keys, "_replace", behind=True, nth=3),
    "behind the replacements": Place(subject_keys, "_replace", behind=True, nth=4),
}
"""With two workspaces: two copies are laid beside the old keys, then two take their places."""

PLACES = ERASING | ROTATING


def die() -> None:
    """End as a cut of the power would: nothing in this process hears of it."""
    os.kill(os.getpid(), signal.SIGKILL)


def plant(place: Place) -> None:
    """Kill this process when it comes by."""
    function, calls = getattr(place.owner, place.name), 0

    def pass_by(*, behind: bool) -> None:
        nonlocal calls
        calls += not behind
        if behind == place.behind and calls == place.nth:
            die()

    setattr(place.owner, place.name, _wrapped(function, pass_by))


def _wrapped(function: Callable[..., Any], pass_by: Callable[..., None]) -> Callable[..., Any]:
    if iscoroutinefunction(function):

        @wraps(function)
        async def waiting(*given: Any, **named: Any) -> Any:
            pass_by(behind=False)
            result = await function(*given, **named)
            pass_by(behind=True)
            return result

        return waiting

    @wraps(function)
    def calling(*given: Any, **named: Any) -> Any:
        pass_by(behind=False)
        result = function(*given, **named)
        pass_by(behind=True)
        return result

    return calling


if __name__ == "__main__":
    plant(PLACES[sys.argv.pop(1)])
    main()
