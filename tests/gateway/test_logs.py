"""Log lines without secrets and personal data."""

import json
import logging
import time

import pytest

from engine import ids
from engine.auth import tokens
from gateway.logs import JsonFormatter, TextFormatter, mask, mask_credentials

SECRET = tokens.secret_key("live", b"s" * 32)


UUID = bytes.fromhex("019dbd0d1f027a8e9f2b3c4d5e6f7081")


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        (f"key={SECRET}", "key=sk_live_***"),
        (f"key={tokens.secret_key('test', b's' * 32)}", "key=sk_test_***"),
        (f"key={tokens.secret_key('workspace', b's' * 32)}", "key=sk_admin_***"),
        ('"ek_live_abc-DEF_123"', '"ek_live_***"'),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("authorization: bearer  x", "authorization: bearer  ***"),
        ("/v1/Bearer%20abc.def", "/v1/Bearer%20***"),
        ("got eyJhbGciOi.eyJzdWIi.c2lnbmF0", "got ***"),
        ("from dev@acme.co today", "from ***@*** today"),
        ("a.b+c@mail.example.org", "***@***"),
        ("/v1/conversations/dev%40acme.co/events", "/v1/conversations/***@***/events"),
        ("call +44 20 7946 0958 now", "call *** now"),
        ("call (020)7946-0958-11", "call (***"),
        ("tel 5551234567", "tel ***"),
    ],
)
def test_secrets_and_people_are_masked(line: str, masked: str) -> None:
    assert mask(line) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"no such member: {SECRET}", "no such member: sk_live_***"),
        (f"/v1/conversations/{SECRET}/messages", "/v1/conversations/sk_live_***/messages"),
        ("Bearer abc.def-ghi.jkl-mno is no cursor", "Bearer *** is no cursor"),
        ("send Authorization: Bearer and a key", "send Authorization: Bearer and a key"),
        (f"/v1/Bearer%20{SECRET}", "/v1/Bearer%20sk_live_***"),
        (f"/v1/x%2F{SECRET}", "/v1/x%2Fsk_live_***"),
        ("/v1/x%2Fwhsec_MfKQ9r8GKYqr", "/v1/x%2Fwhsec_***"),
        (f"a_{SECRET.upper()}", "a_SK_LIVE_***"),
        ("sk_live_abcdefg%2Fhij", "sk_live_***"),
        ("risk_assessment", "risk_assessment"),
        ("metadata.eyJhbGciOi.eyJzdWIi.c2ln", "metadata.***"),
        ("dev@acme.co", "dev@acme.co"),
        ("/v1/conversations/dev%40acme.co", "/v1/conversations/dev%40acme.co"),
        ("attributes.5551234567", "attributes.5551234567"),
        ("sk_", "sk_"),
    ],
)
def test_who_sent_a_credential_by_mistake_does_not_get_it_back(text: str, masked: str) -> None:
    assert mask_credentials(text) == masked


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-18T12:34:56.789",
        '{"time": "2026-01-18T12:34:56.789", "status": 200}',
        f'"request_id": "{ids.type_id("req", UUID)}"',
        ids.type_id(ids.CONVERSATION, UUID),
        '"duration_ms": 12.345678',
        "/v1/conversations/conv_123/messages",
        "127.0.0.1:8080",
        "version 17 at position 4096",
        "sk_",
        "user at home",
        "@decorator",
    ],
)
def test_times_and_ids_stay_as_they_are(line: str) -> None:
    assert mask(line) == line


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "parley", "levelname": "INFO", "msg": message})
    made.__dict__.update(extra)
    return made


def test_a_line_is_one_json_object_with_its_extras() -> None:
    line = JsonFormatter().format(record("request", path="/v1/x", status=200))
    assert "\n" not in line
    found = json.loads(line)
    assert (found["level"], found["message"], found["status"]) == ("info", "request", 200)
    assert found["path"] == "/v1/x"


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_nothing_goes_around_the_mask(formatter: logging.Formatter) -> None:
    made = record(f"a {SECRET}", extra=SECRET, nested={"k": [SECRET]})
    try:
        raise ValueError(SECRET)  # noqa: TRY301 - a traceback with a secret in it
    except ValueError as error:
        made.exc_info = (type(error), error, error.__traceback__)
    line = formatter.format(made)
    assert SECRET not in line
    assert SECRET[8:20] not in line
    assert line.count("sk_live_***") >= 4


@pytest.mark.parametrize("pattern", ["a", "a.", "a@", "sk_", "Bearer "])
def test_a_long_line_is_masked_in_no_time(pattern: str) -> None:
    line = pattern * (65_536 // len(pattern))
    began = time.process_time()
    mask(line)
    mask_credentials(line)
    assert time.process_time() - began < 2
