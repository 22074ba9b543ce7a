"""The three primitives everything secret is made of, and nothing else.

Sealing is XChaCha20-Poly1305 (libsodium), keyed hashing is BLAKE2b (RFC 7693).
"""

import hashlib
import hmac
import os
from collections.abc import Callable

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_ABYTES,
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

KEY_BYTES = 32
NONCE_BYTES = 24
NONCES_AT_ONCE = 64
"""Nonces drawn by one call of the system, which takes as long for one as for ten."""

Mac = Callable[[bytes], bytes]
Encrypt = Callable[[bytes, bytes, bytes, bytes], bytes]
"""Plain bytes, place, nonce and key → ciphertext with its tag."""

_nonces: list[bytes] = []
"""Drawn and not used yet. A process that is forked off must not use them a second time."""
os.register_at_fork(after_in_child=_nonces.clear)


class UnsealError(Exception):
    """The bytes were not sealed with this key for this place. Says nothing about either."""


def new_key() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(KEY_BYTES)


def derive(key: bytes, *purpose: str) -> bytes:
    """Return the 32-byte key for one purpose; different purposes give unrelated keys."""
    return hashlib.blake2b("\0".join(purpose).encode(), key=key, digest_size=KEY_BYTES).digest()


def mac(key: bytes, message: bytes, size: int) -> bytes:
    """Return a keyed hash of ``size`` bytes."""
    return hashlib.blake2b(message, key=key, digest_size=size).digest()


def keyed_mac(key: bytes, size: int) -> Mac:
    """Return :func:`mac` with ``key`` and ``size`` taken in, for whoever hashes often."""
    begun = hashlib.blake2b(key=key, digest_size=size)

    def mac_of(message: bytes) -> bytes:
        state = begun.copy()
        state.update(message)
        return state.digest()

    return mac_of


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left, right)


def seal(key: bytes, plain: bytes, place: bytes) -> bytes:
    """Return nonce + ciphertext; it opens only with the same ``key`` and ``place``."""
    try:
        nonce = _nonces.pop()
    except IndexError:
        nonce = _fresh_nonce()
    return nonce + _encrypt(plain, place, nonce, key)


def _fresh_nonce() -> bytes:
    """Return one nonce and lay the next ones in: one call of the system for all of them."""
    drawn = os.urandom(NONCES_AT_ONCE * NONCE_BYTES)
    _nonces.extend(
        drawn[at : at + NONCE_BYTES] for at in range(NONCE_BYTES, len(drawn), NONCE_BYTES)
    )
    return drawn[:NONCE_BYTES]


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


def quickest_encrypt() -> Encrypt:
    """Return libsodium's own call if this PyNaCl has it as we know it, else its public binding.

    The binding looks at every argument and makes two buffers: 3.9 µs for a message, this 1.5 µs.
    Whatever is wrong with the call is found here, by a known text, not in a record.
    """
    public: Encrypt = crypto_aead_xchacha20poly1305_ietf_encrypt
    known = (b"plain", b"place", bytes(NONCE_BYTES), bytes(KEY_BYTES))
    try:
        low_level = _low_level_encrypt()
        return low_level if low_level(*known) == public(*known) else public
    except (ImportError, AttributeError, TypeError):
        return public


def _low_level_encrypt() -> Encrypt:
    # Private, so that it may be gone one day; and compiled, so that it has no types.
    from nacl._sodium import ffi, lib  # type: ignore[import-not-found]  # noqa: PLC0415

    encrypt, buffer, null = lib.crypto_aead_xchacha20poly1305_ietf_encrypt, ffi.buffer, ffi.NULL
    allocate = ffi.new_allocator(should_clear_after_alloc=False)
    chars = ffi.typeof("unsigned char[]")

    def encrypted(plain: bytes, place: bytes, nonce: bytes, key: bytes) -> bytes:
        if len(nonce) != NONCE_BYTES or len(key) != KEY_BYTES:
            message = f"a nonce has {NONCE_BYTES} bytes and a key {KEY_BYTES}"
            raise ValueError(message)  # the call would read on behind them
        size = len(plain)
        sealed = allocate(chars, size + crypto_aead_xchacha20poly1305_ietf_ABYTES)
        if encrypt(sealed, null, plain, size, place, len(place), null, nonce, key) != 0:
            raise CryptoError("Encryption failed.")
        written: bytes = buffer(sealed)[:]
        return written

    return encrypted


_encrypt = quickest_encrypt()
