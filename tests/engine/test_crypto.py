"""What seals, what opens, and what never repeats."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt
from nacl.exceptions import CryptoError

from engine import crypto
from engine.crypto import KEY_BYTES, NONCE_BYTES, NONCES_AT_ONCE, quickest_encrypt

KEYS = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
NONCES = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)
PLAIN = st.binary(max_size=2000)
PLACES = st.binary(max_size=100)


def nonces(number: int) -> list[bytes]:
    return [crypto.seal(bytes(KEY_BYTES), b"", b"")[:NONCE_BYTES] for _ in range(number)]


@given(PLAIN, PLACES, NONCES, KEYS)
def test_the_quick_way_seals_to_the_same_bytes_as_the_public_one(
    plain: bytes, place: bytes, nonce: bytes, key: bytes
) -> None:
    quick = quickest_encrypt()
    assert quick is not crypto_aead_xchacha20poly1305_ietf_encrypt, "this PyNaCl has it"
    public = crypto_aead_xchacha20poly1305_ietf_encrypt(plain, place, nonce, key)
    assert quick(plain, place, nonce, key) == public


@given(KEYS, PLAIN, PLACES)
def test_what_is_sealed_opens(key: bytes, plain: bytes, place: bytes) -> None:
    assert crypto.unseal(key, crypto.seal(key, plain, place), place) == plain


@pytest.mark.parametrize("key", [b"", bytes(KEY_BYTES - 1), bytes(KEY_BYTES + 1)])
def test_a_key_of_another_length_seals_nothing(key: bytes) -> None:
    with pytest.raises((ValueError, CryptoError)):
        crypto.seal(key, b"plain", b"place")


@pytest.mark.parametrize("plain", ["text", None, 7, memoryview(b"plain")])
def test_what_is_no_bytes_is_not_sealed(plain: object) -> None:
    with pytest.raises(TypeError):
        crypto.seal(bytes(KEY_BYTES), plain, b"place")  # type: ignore[arg-type]


def test_no_nonce_comes_twice() -> None:
    drawn = nonces(3 * NONCES_AT_ONCE)
    assert len(set(drawn)) == len(drawn)


def test_a_forked_process_draws_nonces_of_its_own() -> None:
    nonces(1)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"".join(nonces(NONCES_AT_ONCE)))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        drawn = pipe.read()
    theirs = {drawn[at : at + NONCE_BYTES] for at in range(0, len(drawn), NONCE_BYTES)}
    assert len(theirs) == NONCES_AT_ONCE
    assert theirs.isdisjoint(nonces(NONCES_AT_ONCE))


@given(KEYS, st.binary(max_size=300), st.integers(1, 64))
def test_a_key_that_was_taken_in_makes_the_same_mac(key: bytes, message: bytes, size: int) -> None:
    made = crypto.keyed_mac(key, size)
    assert made(message) == made(message) == crypto.mac(key, message, size)
