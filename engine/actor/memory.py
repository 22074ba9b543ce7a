"""The idempotency keys an actor remembers, rebuilt from the events: a crash forgets none."""

import msgspec

from engine.errors import IdempotencyMismatchError
from engine.limits import COMMAND_KEY_SECONDS, COMMAND_KEYS_REMEMBERED


class Remembered(msgspec.Struct, array_like=True, frozen=True):
    """The event a key has caused."""

    version: int
    fingerprint: bytes | None
    """``None`` where it was erased: any body is answered as the first one was."""
    time_ms: int


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(dict[bytes, Remembered])


class KeyMemory:
    """The newest ``COMMAND_KEYS_REMEMBERED`` keys of one stream, for ``COMMAND_KEY_SECONDS``."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        """Start without a key."""
        # A plain dict keeps its order as well, at a third of the price for a new key.
        self._keys: dict[bytes, Remembered] = {}

    def remember(self, key: bytes, remembered: Remembered) -> None:
        """Note that ``key`` has caused an event."""
        self._keys.pop(key, None)
        self._keys[key] = remembered
        if len(self._keys) > COMMAND_KEYS_REMEMBERED:
            del self._keys[next(iter(self._keys))]

    def dump(self) -> bytes:
        """Return everything that is remembered, oldest first, as bytes."""
        return _ENCODER.encode(self._keys)

    @classmethod
    def load(cls, dumped: bytes) -> "KeyMemory":
        """Return the memory that was dumped.

        Raises:
            msgspec.MsgspecError: these bytes are no such memory.
        """
        memory = cls()
        memory._keys = _DECODER.decode(dumped)
        return memory

    def version_of(self, key: bytes, fingerprint: bytes | None, *, now_ms: int) -> int | None:
        """Return the version of the event ``key`` has caused; ``None`` if it is a new key.

        Raises:
            IdempotencyMismatchError: it was used with another body.
        """
        found = self._keys.get(key)
        if found is None or now_ms - found.time_ms > COMMAND_KEY_SECONDS * 1000:
            return None
        if found.fingerprint is not None and found.fingerprint != fingerprint:
            detail = "this idempotency key was used with another body; use a new key"
            raise IdempotencyMismatchError(detail)
        return found.version
