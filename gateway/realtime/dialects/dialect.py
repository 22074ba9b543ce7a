"""What a dialect is: how the frames of one dialogue are read and written. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from engine.log.event import Event
from engine.log.log import Log
from gateway.realtime.protocol import AnyFrame, Ref


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words of one subprotocol."""

    subprotocol: str
    binary: bool
    """Whether the server's frames are binary messages; else they are text."""
    decode: Callable[[bytes | str], AnyFrame]
    """The frame in one message. Raises ``BadFrameError``, or ``InvalidError`` for a value in it."""
    ref_of: Callable[[bytes | str], Ref]
    """The ``ref`` of a message that may be wrong otherwise; ``None`` if it has none."""
    encode: Callable[[str, dict[str, Any]], bytes]
    """A frame of the server: ``op`` and its members."""
    encode_struct: Callable[[msgspec.Struct], bytes]
    """The same, of a struct whose tag is ``op``: the frames that are written most often."""
    event: Callable[[Log, Event, str], bytes]
    """The frame of an event for an audience: built once, the same bytes for every recipient."""
    embed: Callable[[bytes], Any]
    """JSON bytes as a member that ``encode`` writes as the value they stand for."""
    body_json: Callable[[bytes], bytes]
    """The raw ``body`` of a ``call`` as JSON bytes. Raises ``ParleyError``: it is no such value."""
