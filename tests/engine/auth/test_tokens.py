"""The texts of credentials."""

import re
import zlib

from hypothesis import given
from hypothesis import strategies as st

from engine import crypto
from engine.auth import tokens
from engine.auth.tokens import EphemeralClaims

KEY = bytes(range(32))
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
CLAIMS = EphemeralClaims(
    workspace="ws_1",
    parent="key_1",
    subject="acct_123",
    scopes=("conversation:read",),
    expires_s=1_800_000_000,
    nonce=b"12345678",
)

ENTROPY = st.binary(min_size=24, max_size=32)
ENVIRONMENTS = st.sampled_from(["live", "test", "workspace"])


DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@given(ENVIRONMENTS, ENTROPY)
def test_a_secret_key_ends_in_the_crc_of_the_rest(environment: str, entropy: bytes) -> None:
    text = tokens.secret_key(environment, entropy)
    found = re.fullmatch(r"sk_(live|test|admin)_[0-9A-Za-z]{32}([0-9A-Za-z]{6})", text)
    assert found is not None
    assert found[1] == tokens.LABEL_OF[environment]
    number = sum(DIGITS.index(digit) * 62**place for place, digit in enumerate(found[2]))
    assert number == zlib.crc32(text[:-6].encode())
    assert tokens.secret_key(environment, entropy) == text


@given(ENTROPY, ENTROPY)
def test_two_secrets_are_two_keys(one: bytes, other: bytes) -> None:
    low = 62**tokens.SECRET_CHARACTERS
    same = int.from_bytes(one, "big") % low == int.from_bytes(other, "big") % low
    assert (tokens.secret_key("live", one) == tokens.secret_key("live", other)) == same


def test_an_ephemeral_key_says_what_it_was_made_of() -> None:
    parts = tokens.ephemeral_parts(tokens.ephemeral_key("live", CLAIMS, key=KEY))
    assert parts is not None
    environment, claims, signed = parts
    assert (environment, claims) == ("live", CLAIMS)
    assert tokens.is_signed("live", signed, key=KEY)


def test_an_ephemeral_key_is_good_for_its_environment_and_signer_only() -> None:
    parts = tokens.ephemeral_parts(tokens.ephemeral_key("live", CLAIMS, key=KEY))
    assert parts is not None
    signed = parts[2]
    assert not tokens.is_signed("test", signed, key=KEY)
    assert not tokens.is_signed("live", signed, key=bytes(32))
    for length in range(len(signed)):
        assert not tokens.is_signed("live", signed[:length], key=KEY)


def test_no_changed_byte_keeps_the_signature() -> None:
    parts = tokens.ephemeral_parts(tokens.ephemeral_key("live", CLAIMS, key=KEY))
    assert parts is not None
    for at in range(len(parts[2])):
        changed = bytearray(parts[2])
        changed[at] ^= 1
        assert not tokens.is_signed("live", bytes(changed), key=KEY)


@given(st.text(max_size=80))
def test_what_is_no_ephemeral_key_is_none_and_never_a_failure(text: str) -> None:
    for attempt in (text, f"ek_live_{text}", "ek_live_" + text.ljust(48, "A")):
        parts = tokens.ephemeral_parts(attempt)
        assert parts is None or not tokens.is_signed(parts[0], parts[2], key=KEY)


def test_a_key_for_another_label_is_none() -> None:
    text = tokens.ephemeral_key("live", CLAIMS, key=KEY)
    assert tokens.ephemeral_parts(text.replace("ek_live_", "ek_admin_")) is None
    assert tokens.ephemeral_parts(text + "A" * 5_000) is None


def test_hashes_are_sha_256() -> None:
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert tokens.hashed("abc") == known


def test_purposes_give_unrelated_keys() -> None:
    made = {
        crypto.derive(KEY, "a"),
        crypto.derive(KEY, "b"),
        crypto.derive(KEY, "a", "b"),
        crypto.derive(KEY, "ab"),
        crypto.derive(bytes(32), "a"),
    }
    assert len(made) == 5
