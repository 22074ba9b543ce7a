"""TypeIDs (prefix + UUIDv7) and the fixed mapping of a client's own ids onto them.

Source: TypeID specification 0.3, RFC 9562 (UUIDv7, and UUIDv8 for hashed ids). Both directions are
written out here, since every message has several ids: the library that the tests compare with takes
two to four times as long.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import uuid_utils

from engine import crypto
from engine.errors import ForbiddenCharacterError, NotFoundError
from engine.limits import EXTERNAL_ID_CHARACTERS_MAX

CONVERSATION = "conv"
MESSAGE = "msg"
EVENT = "evt"
USER = "usr"
KEY = "key"
WORKSPACE = "ws"

VEIL_BYTES = 16
"""Of a hash in a view: two words never share one, and nobody guesses words without the key."""

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: five bits a character, 26 of them for 128 bits."""
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
"""Ten bits → two characters."""
_SUFFIX_CHARACTERS: Final = 26
_DIGITS: Final = _ALPHABET.encode()
_READ: Final = bytes.maketrans(_DIGITS, b"0123456789abcdefghijklmnopqrstuv")
"""From our digits to those that ``int`` reads."""
_LARGEST_FIRST: Final = ord("7")
"""What the first character may be at most: with more the number would have 130 bits."""


def new_uuid() -> bytes:
    """Return the 16 bytes of a fresh UUIDv7: time-ordered, never a source of order for us."""
    return uuid_utils.uuid7().bytes


def type_id(prefix: str, uuid: bytes) -> str:
    """Return ``prefix_<26 base32 characters>`` for the 16 bytes of a UUID."""
    return f"{prefix}_{suffix(uuid)}"


def suffix(uuid: bytes) -> str:
    """Return the 26 base32 characters of a UUID's 16 bytes: two zero bits lead its 128."""
    n, pairs = int.from_bytes(uuid), _PAIRS
    return (
        f"{pairs[n >> 120]}{pairs[n >> 110 & 1023]}{pairs[n >> 100 & 1023]}{pairs[n >> 90 & 1023]}"
        f"{pairs[n >> 80 & 1023]}{pairs[n >> 70 & 1023]}{pairs[n >> 60 & 1023]}"
        f"{pairs[n >> 50 & 1023]}{pairs[n >> 40 & 1023]}{pairs[n >> 30 & 1023]}"
        f"{pairs[n >> 20 & 1023]}{pairs[n >> 10 & 1023]}{pairs[n & 1023]}"
    )


def uuid_of(prefix: str, text: str) -> bytes | None:
    """Return the 16 bytes in a TypeID of this prefix; ``None`` if ``text`` is no such TypeID."""
    begin = len(prefix) + 1
    if len(text) != begin + _SUFFIX_CHARACTERS or not text.startswith(f"{prefix}_"):
        return None
    digits = text[begin:].encode(errors="replace")
    if digits.strip(_DIGITS) or digits[0] > _LARGEST_FIRST:
        return None
    return int(digits.translate(_READ), 32).to_bytes(16)


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


class Veil:
    """Turns words of people into hashes that can be compared, and into nothing else: for views."""

    def __init__(self, key: bytes) -> None:
        """Keep the environment's 32-byte ``key``: the same word gives another hash elsewhere."""
        self._mac = crypto.keyed_mac(key, VEIL_BYTES)
        self.over: Callable[[str, str], str] = lru_cache(maxsize=16_384)(self._over)
        """Return the hash of a text of some kind (``tag``, ``agent``), 32 hexadecimal digits."""

    def _over(self, kind: str, text: str) -> str:
        return self._mac(f"{kind}\0{text}".encode()).hex()


Resolve = Callable[[str, str], tuple[str, str | None]]
"""Prefix and a client's text → TypeID, and the text if it is no TypeID itself."""


class ExternalIds:
    """Maps a client's own ids to TypeIDs by a keyed hash, so two first uses cannot race."""

    def __init__(self, key: bytes) -> None:
        """Keep the environment's 32-byte ``key``: two tenants' ``conv_123`` never meet."""
        self._key = key
        self._remembered = lru_cache(maxsize=16_384)(self._resolve)
        self.resolve: Resolve = self._remembered
        """Return (TypeID, external id); the external id is ``None`` if the text is a TypeID.

        Raises:
            NotFoundError, ForbiddenCharacterError: see :func:`check_external_id`.
        """

    def forget(self) -> None:
        """Keep no id of a client's in memory."""
        self._remembered.cache_clear()

    def _resolve(self, prefix: str, text: str) -> tuple[str, str | None]:
        if uuid_of(prefix, text) is not None:
            return text, None
        named = f"{prefix}\0{check_external_id(text)}".encode()
        digest = hashlib.blake2b(named, key=self._key, digest_size=16)
        return type_id(prefix, _as_uuid8(digest.digest())), text


def _as_uuid8(digest: bytes) -> bytes:
    marked = bytearray(digest)
    marked[6] = (marked[6] & 0x0F) | 0x80
    marked[8] = (marked[8] & 0x3F) | 0x80
    return bytes(marked)
