"""Says on the terminal how far a run is."""

import time
from collections.abc import Callable


def progress() -> Callable[[str], None]:
    """Return what prints a line, behind the seconds since now."""
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", flush=True)

    return say
