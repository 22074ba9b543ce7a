"""A WebSocket is opened as RFC 6455 has it, or the client is told what is wrong."""

import pytest

from gateway.http.problem import headers_of, status_of
from gateway.server import handshake
from gateway.server.handshake import RefusedHandshakeError
from gateway.server.http1 import Incoming
from tests.gateway.server.reading import HOST, only, request

UPGRADE = (b"Connection: keep-alive, Upgrade", b"Upgrade: websocket")
VERSION = b"Sec-WebSocket-Version: 13"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


def asking(*lines: bytes, line: bytes = b"GET /v1/realtime HTTP/1.1") -> Incoming:
    return only(request(line, HOST, *lines))


def refusal(incoming: Incoming) -> RefusedHandshakeError:
    with pytest.raises(RefusedHandshakeError) as refused:
        handshake.check(incoming)
    return refused.value


def test_the_answer_is_the_one_of_the_rfc() -> None:
    incoming = asking(*UPGRADE, VERSION, KEY)
    assert handshake.check(incoming) == []
    assert handshake.accepted(incoming, None) == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"\r\n"
    )


def test_the_subprotocol_that_was_chosen_is_named() -> None:
    protocols = b"Sec-WebSocket-Protocol: parley.v1+json"
    answer = handshake.accepted(asking(*UPGRADE, VERSION, KEY, protocols), "parley.v1+json")
    assert answer.endswith(b"\r\nSec-WebSocket-Protocol: parley.v1+json\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        ([], []),
        ([b""], []),
        ([b"b"], ["b"]),
        ([b"graphql-ws, parley.v1+msgpack ,parley.v1+json"], None),
        ([b"graphql-ws", b"parley.v1+msgpack", b"parley.v1+json"], None),
        ([b",graphql-ws,, parley.v1+msgpack, parley.v1+json,"], None),
    ],
)
def test_subprotocols_are_returned_as_they_were_asked_for(
    lines: list[bytes], asked: list[str] | None
) -> None:
    named = [b"Sec-WebSocket-Protocol: " + line for line in lines]
    incoming = asking(*UPGRADE, VERSION, KEY, *named)
    if asked is None:
        asked = ["graphql-ws", "parley.v1+msgpack", "parley.v1+json"]
    assert handshake.check(incoming) == asked


@pytest.mark.parametrize("names", [b"a b", b"a, a", b"a/b", b'"a"', b"\xe9"])
def test_subprotocols_that_are_no_list_of_names_are_refused(names: bytes) -> None:
    error = refusal(asking(*UPGRADE, VERSION, KEY, b"Sec-WebSocket-Protocol: " + names))
    assert (error.code, status_of(error)) == ("bad_handshake", 400)


def test_an_extension_is_never_agreed_on() -> None:
    offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    incoming = asking(*UPGRADE, VERSION, KEY, offer)
    assert handshake.check(incoming) == []
    assert b"extensions" not in handshake.accepted(incoming, None).lower()


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"short",
        b"dGhlIHNhbXBsZSBub25jZQ",
        b"dGhlIHNhbXBsZSBub25jZQ=",
        b"dGhlIHNhbXBsZSBub25jZQ===",
        b"dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        b"dGhlIHNhbXBsZSBub25j",
        b"dGhlIHNhbXBsZSBub25jZWU=",
        b"dGhlIHNhbXBs ZSBub25jZQ==",
        b"dGhlIHNhbXBsZSBub25jZ\xe9==",
        b"________________________",
    ],
)
def test_a_key_that_is_not_16_bytes_in_base64_is_refused(key: bytes) -> None:
    error = refusal(asking(*UPGRADE, VERSION, b"Sec-WebSocket-Key: " + key))
    assert (error.code, status_of(error)) == ("bad_handshake", 400)


def test_a_handshake_without_a_key_is_refused() -> None:
    assert refusal(asking(*UPGRADE, VERSION)).code == "bad_handshake"


@pytest.mark.parametrize("version", [None, b"", b"8", b"12", b"14", b"13.0", b"13, 8", b"013"])
def test_another_version_is_told_which_one_is_spoken(version: bytes | None) -> None:
    named = [] if version is None else [b"Sec-WebSocket-Version: " + version]
    error = refusal(asking(*UPGRADE, KEY, *named))
    assert (error.code, status_of(error)) == ("upgrade_required", 426)
    assert ("Sec-WebSocket-Version", "13") in error.headers


@pytest.mark.parametrize("line", [b"GET /v1/realtime HTTP/1.1", b"GET /v1/realtime HTTP/1.0"])
def test_a_plain_request_is_told_to_ask_for_the_upgrade(line: bytes) -> None:
    lines = (VERSION, KEY) if line.endswith(b"1.1") else (*UPGRADE, VERSION, KEY)
    error = refusal(asking(*lines, line=line))
    assert (error.code, status_of(error)) == ("upgrade_required", 426)
    assert ("Upgrade", "websocket") in error.headers


def test_a_websocket_is_opened_by_get_alone() -> None:
    error = refusal(asking(*UPGRADE, VERSION, KEY, line=b"POST /v1/realtime HTTP/1.1"))
    assert (error.code, status_of(error)) == ("method_not_allowed", 405)
    assert error.headers == (("Allow", "GET"),)


def test_the_headers_of_a_refusal_come_beside_those_of_its_problem() -> None:
    error = refusal(asking(*UPGRADE, KEY))
    names = [name for name, _ in (*headers_of(error), *error.headers)]
    assert len(names) == len(set(names))
