"""Who of the doors listens to a bus; the consumers of the environment always do."""

from engine.bus.bus import Bus
from gateway.fanout.rooms import Room


def rooms_on(bus: Bus) -> list[Room]:
    """Return the rooms that hear of commits."""
    of_streams = (one for listeners in bus._by_stream.values() for one in listeners)  # noqa: SLF001
    return [one for one in (*bus._of_all, *of_streams) if isinstance(one, Room)]  # noqa: SLF001
