"""``parley seed``: many conversations to try things on, the same ones every time."""

import json as json_module
import sys

import trio

from gateway import logs
from gateway.cli.outcome import INTERRUPTED, guarded, interruptible
from gateway.cli.terminal import Counter
from gateway.config import Settings
from gateway.control.client import ask_or_hold


def run(settings: Settings, arguments: dict[str, object], *, quiet: bool, json: bool) -> int:
    """Write what is missing of a seed. Return the exit status."""
    logs.set_up(settings.log_level)
    counter = Counter("messages", quiet=quiet)

    async def write() -> None:
        try:
            done = await ask_or_hold(settings, "seed", arguments, progress=counter.told)
        finally:
            counter.close()
        if json:
            print(json_module.dumps(done))
        elif not quiet:
            print(
                f"{done['written']:,} of {done['messages']:,} messages written, the others were "
                f"there: {done['conversations']:,} conversations in {done['environment']} "
                f"of {done['workspace']}"
            )

    try:
        return guarded(lambda: trio.run(interruptible, write))
    except KeyboardInterrupt:
        print("parley: stopped. The same command writes the rest.", file=sys.stderr)
        return INTERRUPTED
