"""One dialect a subprotocol: how frames are written. The dialogue is the same for all."""

from collections.abc import Iterable

from gateway.realtime.dialects import json, msgpack
from gateway.realtime.dialects.dialect import Dialect

DIALECTS = {one.subprotocol: one for one in (json.DIALECT, msgpack.DIALECT)}


def chosen(offered: Iterable[str]) -> Dialect | None:
    """Return the first dialect of those a client offers; ``None`` when it offers none of ours."""
    return next((DIALECTS[name] for name in offered if name in DIALECTS), None)


def agreed(offered: Iterable[str]) -> tuple[Dialect, str | None]:
    """Return the dialect to speak, and the subprotocol to name in the answer to the upgrade.

    A client that offers none of ours is spoken to in JSON, and none is named.
    """
    found = chosen(offered)
    return (json.DIALECT, None) if found is None else (found, found.subprotocol)
