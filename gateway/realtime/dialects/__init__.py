"""One dialect a subprotocol: how frames are written. The dialogue is the same for all."""

from collections.abc import Iterable

from gateway.realtime.dialects import json, msgpack
from gateway.realtime.dialects.dialect import Dialect

DIALECTS = {one.subprotocol: one for one in (json.DIALECT, msgpack.DIALECT)}


def agreed(offered: Iterable[str]) -> tuple[Dialect, str | None]:
    """Return the dialect to speak, and the subprotocol to name in the answer to the upgrade.

    The first of ours that a client offers; if it offers none, JSON, and none is named.
    """
    found = next((DIALECTS[name] for name in offered if name in DIALECTS), None)
    return (json.DIALECT, None) if found is None else (found, found.subprotocol)
