"""TypeIDs (prefix + UUIDv7) and the fixed mapping of a client's own ids onto them.

Source: TypeID specification 0.3, RFC 9562 (UUIDv7, and UUIDv8 for hashed ids).
"""

import hashlib
from functools import lru_cache

import uuid_utils
from typeid import TypeID
from typeid.errors import TypeIDException

from engine.errors import ForbiddenCharacterError, NotFoundError
from engine.limits import EXTERNAL_ID_CHARACTERS_MAX

CONVERSATION = "conv"
MESSAGE = "msg"
EVENT = "evt"
USER = "usr"
KEY = "key"
WORKSPACE = "ws"


def new_uuid() -> bytes:
    """Return the 16 bytes of a fresh UUIDv7: time-ordered, never a source of order for us."""
    return uuid_utils.uuid7().bytes


def type_id(prefix: str, uuid: bytes) -> str:
    """Return ``prefix_<26 base32 characters>`` for the 16 bytes of a UUID."""
    return str(TypeID.from_uuid(uuid_utils.UUID(bytes=uuid), prefix=prefix))


def uuid_of(prefix: str, text: str) -> bytes | None:
    """Return the 16 bytes in a TypeID of this prefix; ``None`` if ``text`` is no such TypeID."""
    if not text.startswith(prefix + "_") or len(text) != len(prefix) + 27:
        return None
    try:
        parsed = TypeID.from_string(text)
    except TypeIDException:
        return None
    return parsed.uuid.bytes


def check_external_id(text: str) -> str:
    """Return a client's own id unchanged.

    Raises:
        NotFoundError: empty, or longer than ``EXTERNAL_ID_CHARACTERS_MAX``: nothing has such an id.
        ForbiddenCharacterError: a control character or one that does not print.
    """
    if not 0 < len(text) <= EXTERNAL_ID_CHARACTERS_MAX:
        detail = f"an id has 1 to {EXTERNAL_ID_CHARACTERS_MAX} characters"
        raise NotFoundError(detail)
    if not text.isprintable():
        detail = "an id has printable characters only"
        raise ForbiddenCharacterError(detail)
    return text


class ExternalIds:
    """Maps a client's own ids to TypeIDs by a keyed hash, so two first uses cannot race."""

    def __init__(self, key: bytes) -> None:
        """Keep the environment's 32-byte ``key``: two tenants' ``conv_123`` never meet."""
        self._key = key
        self._hashed = lru_cache(maxsize=16_384)(self._hash)

    def resolve(self, prefix: str, text: str) -> tuple[str, str | None]:
        """Return (TypeID, external id); the external id is ``None`` if ``text`` is a TypeID."""
        if uuid_of(prefix, text) is not None:
            return text, None
        return self._hashed(prefix, check_external_id(text)), text

    def _hash(self, prefix: str, text: str) -> str:
        digest = hashlib.blake2b(f"{prefix}\0{text}".encode(), key=self._key, digest_size=16)
        return type_id(prefix, _as_uuid8(digest.digest()))


def _as_uuid8(digest: bytes) -> bytes:
    marked = bytearray(digest)
    marked[6] = (marked[6] & 0x0F) | 0x80
    marked[8] = (marked[8] & 0x3F) | 0x80
    return bytes(marked)
