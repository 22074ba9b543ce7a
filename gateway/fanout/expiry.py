"""When what a key has opened must end (shell: it reads the clock)."""

import time

import trio

from engine.principal import Principal


def end_of(principal: Principal) -> float:
    """Return the moment, on trio's clock, at which the principal's key ends."""
    if principal.expires_s is None:
        return float("inf")
    return trio.current_time() + max(0.0, principal.expires_s - time.time())
