"""Idempotency keys: where they stand, and what they are scoped to."""

from typing import Any

import msgspec
import pytest

from engine.actor.outcome import Origin
from engine.limits import IDEMPOTENCY_KEY_CHARACTERS_MAX
from engine.principal import Principal
from gateway.api.contract import Body
from gateway.http.idempotency import fingerprint_of, key_of, origin_of
from gateway.http.problem import HttpError, code_of


class Text(Body, frozen=True, kw_only=True):
    """A body with three members beside its key."""

    text: str = ""
    number: int = 0
    more: dict[str, Any] = msgspec.field(default_factory=dict)


def who(subject: str = "acct_1") -> Principal:
    return Principal("ws_1", "live", "key_1", subject, frozenset(), staff=False)


def origin(
    principal: Principal | None = None,
    *,
    method: str = "POST",
    path: str = "/v1/x",
    key: str | None = "k",
    body: Text | None = None,
) -> Origin:
    return origin_of(
        principal or who(),
        method=method,
        path=path,
        key=key,
        body=body or Text(text="a"),
        traceparent=None,
    )


@pytest.mark.parametrize(
    ("header", "member", "key"),
    [
        (None, None, None),
        ("k", None, "k"),
        ('"k"', None, "k"),
        (None, "k", "k"),
        ("k", "k", "k"),
        ('"k"', "k", "k"),
        ("a b", None, "a b"),
        ('"', None, '"'),
        ("x" * IDEMPOTENCY_KEY_CHARACTERS_MAX, None, "x" * IDEMPOTENCY_KEY_CHARACTERS_MAX),
    ],
)
def test_a_key_stands_in_the_header_or_in_the_body(
    header: str | None, member: str | None, key: str | None
) -> None:
    headers = {} if header is None else {"idempotency-key": header}
    assert key_of(headers, Text(idempotency_key=member)) == key


@pytest.mark.parametrize(
    ("header", "member"),
    [
        ("a", "b"),
        ("", None),
        ('""', None),
        (None, ""),
        (" k", None),
        ("k ", None),
        (None, "k\n"),
        ("\u00e9", None),
        (None, "a\0b"),
        ("x" * (IDEMPOTENCY_KEY_CHARACTERS_MAX + 1), None),
        (None, "x" * (IDEMPOTENCY_KEY_CHARACTERS_MAX + 1)),
        ("a", '"a"'),
    ],
)
def test_what_is_no_key_is_refused(header: str | None, member: str | None) -> None:
    headers = {} if header is None else {"idempotency-key": header}
    with pytest.raises(HttpError) as error:
        key_of(headers, Text(idempotency_key=member))
    assert code_of(error.value) == "bad_idempotency_key"


def test_a_route_without_a_body_takes_its_key_from_the_header() -> None:
    assert key_of({"idempotency-key": "k"}, None) == "k"
    assert key_of({}, None) is None


def test_the_same_request_is_known_again() -> None:
    assert origin() == origin()
    assert len(origin().command_key or b"") == 16


def test_a_key_means_something_else_for_another_subject_method_or_path() -> None:
    keys = {
        origin().command_key,
        origin(who("acct_2")).command_key,
        origin(method="PATCH").command_key,
        origin(path="/v1/y").command_key,
        origin(key="l").command_key,
        origin(path="/v1/x\0k", key="").command_key,
    }
    assert len(keys) == 6


def test_a_new_token_of_the_same_subject_may_repeat_a_request() -> None:
    other = Principal("ws_1", "live", "key_2", "acct_1", frozenset({"a:b"}), staff=False)
    assert origin(other) == origin()


def test_a_command_without_a_key_is_never_a_repetition() -> None:
    assert origin(key=None) == Origin("acct_1")


def test_the_fingerprint_is_that_of_the_body_without_its_key() -> None:
    plain = fingerprint_of(Text(text="a", number=1))
    assert fingerprint_of(Text(number=1, text="a", idempotency_key="k")) == plain
    assert fingerprint_of(Text(text="a", number=2)) != plain
    assert fingerprint_of(Text(text="b", number=1)) != plain
    assert len(plain) == 16


def test_the_order_of_members_makes_no_other_fingerprint() -> None:
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert fingerprint_of(Text(more=one)) == fingerprint_of(Text(more=other))
    assert fingerprint_of(Text(more={"a": 2})) != fingerprint_of(Text(more={"a": 1}))
