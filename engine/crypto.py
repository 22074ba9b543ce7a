"""The three primitives everything secret is made of, and nothing else.

Sealing is XChaCha20-Poly1305 (libsodium), keyed hashing is BLAKE2b (RFC 7693).
"""

import hashlib
import hmac

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    randombytes,
)
from nacl.exceptions import CryptoError

KEY_BYTES = 32
NONCE_BYTES = 24


class UnsealError(Exception):
    """The bytes were not sealed with this key for this place. Says nothing about either."""


def new_key() -> bytes:
    """Return 32 random bytes."""
    return bytes(randombytes(KEY_BYTES))


def derive(key: bytes, *purpose: str) -> bytes:
    """Return the 32-byte key for one purpose; different purposes give unrelated keys."""
    return hashlib.blake2b("\0".join(purpose).encode(), key=key, digest_size=KEY_BYTES).digest()


def mac(key: bytes, message: bytes, size: int) -> bytes:
    """Return a keyed hash of ``size`` bytes."""
    return hashlib.blake2b(message, key=key, digest_size=size).digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left, right)


def seal(key: bytes, plain: bytes, place: bytes) -> bytes:
    """Return nonce + ciphertext; it opens only with the same ``key`` and ``place``."""
    nonce = randombytes(NONCE_BYTES)
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(plain, place, nonce, key)
    return bytes(nonce + sealed)


def unseal(key: bytes, sealed: bytes, place: bytes) -> bytes:
    """Return the plain bytes.

    Raises:
        UnsealError: another key, another place, or changed bytes.
    """
    try:
        opened = crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed[NONCE_BYTES:], place, sealed[:NONCE_BYTES], key
        )
    except (CryptoError, ValueError) as error:
        detail = "sealed bytes do not open here"
        raise UnsealError(detail) from error
    return bytes(opened)
