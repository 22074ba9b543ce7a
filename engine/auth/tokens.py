"""The texts of credentials: how they are made, told apart and checked. Pure.

A secret key is ``sk_live_`` (``sk_test_``, ``sk_admin_``), 32 random characters and 6 of checksum,
so that a secret scanner can be sure. An ephemeral key carries what it
says and a MAC, so that no page view costs an append.
"""

import base64
import hashlib
import re
import zlib

import msgspec

from engine import crypto

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_CHARACTERS = 32
CHECKSUM_CHARACTERS = 6
EPHEMERAL_MAC_BYTES = 16

ENVIRONMENT_OF = {"live": "live", "test": "test", "admin": "workspace"}
LABEL_OF = {environment: label for label, environment in ENVIRONMENT_OF.items()}

_EPHEMERAL = re.compile(r"ek_(live|test)_([0-9A-Za-z_-]{40,4000})")


class EphemeralClaims(msgspec.Struct, array_like=True, frozen=True):
    """What an ephemeral key says of itself."""

    workspace: str
    parent: str
    """Id of the secret key that made it; it dies with that key."""
    subject: str
    scopes: tuple[str, ...]
    expires_s: int
    """Unix seconds."""
    nonce: bytes
    conversations: tuple[str, ...] | None = None
    """TypeIDs it is narrowed to; ``None`` = all its subject may see."""


def secret_key(environment: str, entropy: bytes) -> str:
    """Return the secret key of ``environment`` made of 24 or more bytes of ``entropy``."""
    number, characters = int.from_bytes(entropy, "big"), []
    for _ in range(SECRET_CHARACTERS):
        number, digit = divmod(number, 62)
        characters.append(_ALPHABET[digit])
    head = f"sk_{LABEL_OF[environment]}_" + "".join(characters)
    return head + _checksum(head)


def hashed(text: str) -> str:
    """Return the SHA-256 by which a secret key is stored and looked up (no salt: it is random)."""
    return hashlib.sha256(text.encode()).hexdigest()


def ephemeral_key(environment: str, claims: EphemeralClaims, *, key: bytes) -> str:
    """Return the ephemeral key that says ``claims``, signed with ``key``."""
    body = msgspec.msgpack.encode(claims)
    signed = body + crypto.mac(key, _bound(environment, body), EPHEMERAL_MAC_BYTES)
    return f"ek_{environment}_" + base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def ephemeral_parts(text: str) -> tuple[str, EphemeralClaims, bytes] | None:
    """Return (environment, claims, signed bytes) of an ephemeral key; nothing is checked yet."""
    found = _EPHEMERAL.fullmatch(text)
    if not found:
        return None
    try:
        signed = base64.b64decode(found[2] + "=" * (-len(found[2]) % 4), altchars=b"-_")
        claims = msgspec.msgpack.decode(signed[:-EPHEMERAL_MAC_BYTES], type=EphemeralClaims)
    except (ValueError, msgspec.MsgspecError):
        return None
    return found[1], claims, signed


def is_signed(environment: str, signed: bytes, *, key: bytes) -> bool:
    """Say whether the MAC at the end of ``signed`` is right, in constant time."""
    body, mac = signed[:-EPHEMERAL_MAC_BYTES], signed[-EPHEMERAL_MAC_BYTES:]
    return crypto.same(mac, crypto.mac(key, _bound(environment, body), EPHEMERAL_MAC_BYTES))


def _bound(environment: str, body: bytes) -> bytes:
    return environment.encode() + b"\0" + body


def _checksum(head: str) -> str:
    number, characters = zlib.crc32(head.encode()), []
    for _ in range(CHECKSUM_CHARACTERS):
        number, digit = divmod(number, 62)
        characters.append(_ALPHABET[digit])
    return "".join(characters)
