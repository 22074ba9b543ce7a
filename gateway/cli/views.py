"""``parley views``: how far the views are, and building them anew."""

import json as json_module
import sys
from typing import Any

import trio

from gateway import logs
from gateway.cli.outcome import INTERRUPTED, guarded, interruptible
from gateway.cli.terminal import Counter, table
from gateway.config import Settings
from gateway.control.client import ask_or_hold

TITLES = ("WORKSPACE", "ENVIRONMENT", "NAME", "SCHEMA", "POSITION", "LAG", "")


def list_views(settings: Settings, arguments: dict[str, object], *, json: bool) -> int:
    """Print every view. Return the exit status."""
    logs.set_up(settings.log_level)

    async def ask() -> None:
        found = await ask_or_hold(settings, "views.list", arguments)
        print(json_module.dumps(found) if json else _listed(found))

    return guarded(lambda: trio.run(ask))


def rebuild(settings: Settings, arguments: dict[str, object], *, quiet: bool, json: bool) -> int:
    """Build views anew, and say how far it is. Return the exit status."""
    logs.set_up(settings.log_level)
    counter = Counter("events", quiet=quiet)

    async def build() -> None:
        try:
            found = await ask_or_hold(settings, "views.rebuild", arguments, progress=counter.told)
        finally:
            counter.close()
        if json:
            print(json_module.dumps(found))
        elif not quiet:
            print(_listed(found))

    try:
        return guarded(lambda: trio.run(interruptible, build))
    except KeyboardInterrupt:
        print("parley: stopped. The views that were there go on.", file=sys.stderr)
        return INTERRUPTED


def _listed(found: Any) -> str:
    rows = [
        (
            one["workspace"],
            one["environment"],
            one["name"],
            str(one["schema"]),
            f"{one['position']:,}",
            f"{one['lag']:,}",
            "stopped: see the server's log" if one["stopped"] else "",
        )
        for one in found["data"]
    ]
    if not rows:
        return "There are no views yet: `parley keys workspace NAME` makes a tenant."
    return table([TITLES, *rows])
