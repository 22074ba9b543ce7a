"""Where a client connects to, and how long it waits before it does so again. Pure but for dice."""

import random
from urllib.parse import urlsplit, urlunsplit

from gateway.limits import RECONNECT_SECONDS_MAX, RECONNECT_SECONDS_MIN

REALTIME_PATH = "/v1/realtime"
SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
EXPONENT_MAX = 16


class Pauses:
    """Growing pauses with jitter, so that many clients do not come back in one moment."""

    def __init__(self) -> None:
        """Start with the shortest."""
        self._failures = 0

    def over(self) -> None:
        """Begin with the shortest again: a connection was good."""
        self._failures = 0

    def next_s(self, *, asked_for_s: float | None = None) -> float:
        """Return the next pause in seconds.

        Args:
            asked_for_s: what the server asked for: at least that long, at most half as long more.
        """
        if asked_for_s is not None:
            return _between(asked_for_s, 1.5 * asked_for_s)
        longest = RECONNECT_SECONDS_MIN * 2 ** min(self._failures, EXPONENT_MAX)
        longest = min(longest, RECONNECT_SECONDS_MAX)
        self._failures += 1
        return _between(longest / 2, longest)


def realtime_url(url: str) -> str:
    """Return the WebSocket's address for the base URL of a server, or for that address itself.

    Raises:
        ValueError: no URL of a server, or one with a credential or a query in it.
    """
    parts = urlsplit(url)
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname:
        message = "a server's URL looks like http://127.0.0.1:8080 or https://parley.example.com"
        raise ValueError(message)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        message = "a server's URL holds no credential and no query: they end up in logs"
        raise ValueError(message)
    path = parts.path.rstrip("/")
    path = path if path.endswith(REALTIME_PATH) else path + REALTIME_PATH
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def _between(least: float, most: float) -> float:
    return random.uniform(least, most)  # noqa: S311 - spreads clients, keeps no secret
