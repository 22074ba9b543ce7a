"""What is no request, or one that could be read in two ways: refused in words, and the end."""

import httpx2
import pytest

from gateway.limits import HEAD_BYTES_MAX, HEADER_BYTES_MAX, HEADERS_MAX, REQUEST_LINE_BYTES_MAX
from tests.support.answers import problem
from tests.support.exchanges import exchanging
from tests.support.servers import Server
from tests.support.talk import MESSAGES, position
from tests.support.wire import HTTP2_PREFACE

HIDDEN = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
"""A request that stands where the body of another one should be, or behind it."""


def request(*lines: bytes, first: bytes = b"GET /healthz HTTP/1.1", host: bytes = b"a") -> bytes:
    """Return a head of these lines as they stand."""
    return b"\r\n".join((first, b"Host: " + host, *lines, b"", b""))


def post(*lines: bytes, body: bytes = HIDDEN, version: bytes = b"1.1") -> bytes:
    return request(*lines, first=b"POST /healthz HTTP/" + version) + body


def lengths(*values: bytes) -> tuple[bytes, ...]:
    return tuple(b"Content-Length: " + value for value in values)


CHUNKED = b"Transfer-Encoding: chunked"
IN_CHUNKS = b"0\r\n\r\n" + HIDDEN
TWO_WAYS = {
    "a length and chunks": post(*lengths(b"5"), CHUNKED, body=IN_CHUNKS),
    "chunks and a length": post(CHUNKED, *lengths(b"5"), body=IN_CHUNKS),
    "two lengths": post(*lengths(b"0", b"5")),
    "two lengths in one": post(*lengths(b"0, 5")),
    "the same length twice": post(*lengths(b"5", b"5")),
    "a length with a sign": post(*lengths(b"+5")),
    "a length below nothing": post(*lengths(b"-5")),
    "a length with a space": post(*lengths(b"5 5")),
    "a length in another base": post(*lengths(b"0x5")),
    "no length at all": post(*lengths(b"")),
    "a length beyond every number": post(*lengths(b"9" * 40)),
    "another coding": post(b"Transfer-Encoding: xchunked", body=IN_CHUNKS),
    "a coding that is packed": post(b"Transfer-Encoding: gzip, chunked", body=IN_CHUNKS),
    "a coding twice": post(CHUNKED, CHUNKED, body=IN_CHUNKS),
    "a coding that ends otherwise": post(b"Transfer-Encoding: chunked, identity", body=IN_CHUNKS),
    "a coding in a tab": post(b"Transfer-Encoding: \x0bchunked", body=IN_CHUNKS),
    "chunks in the old protocol": post(CHUNKED, body=IN_CHUNKS, version=b"1.0"),
    "a space in front of a colon": post(b"Content-Length : 5"),
    "a tab in front of a colon": post(b"Transfer-Encoding\t: chunked", body=IN_CHUNKS),
}
MALFORMED = {
    "a line that ends without CR": b"GET /healthz HTTP/1.1\nHost: a\r\n\r\n",
    "a header that ends without CR": b"GET /healthz HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "no CR at all": b"GET /healthz HTTP/1.1\nHost: a\n\n",
    "a folded header": request(b"X: one", b" two"),
    "a folded first header": b"GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n",
    "NUL in a value": request(b"X: a\0b"),
    "NUL in a name": request(b"X\0Y: a"),
    "NUL in the path": request(first=b"GET /healthz\0 HTTP/1.1"),
    "CR alone in a value": request(b"X: a\rb"),
    "a header without a colon": request(b"nonsense"),
    "a header without a name": request(b": a"),
    "two spaces in the line": request(first=b"GET  /healthz HTTP/1.1"),
    "a space behind the line": request(first=b"GET /healthz HTTP/1.1 "),
    "a target that is none": request(first=b"GET healthz HTTP/1.1"),
    "a fragment": request(first=b"GET /healthz#part HTTP/1.1"),
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": request(b"Host: b"),
    "the same Host twice": request(b"Host: a"),
    "a Host that is none": request(host=b"a b"),
    "a Host with a path": request(host=b"a/b"),
    "a Host with a user": request(host=b"root@a"),
}


async def refused_by(server: Server, packet: bytes, status: int, code: str) -> httpx2.Response:
    """Send a packet that must be refused with this, once, and end its connection."""
    async with exchanging(server.url) as exchanges:
        await exchanges.send(packet)
        answer = await exchanges.answer()
        problem(answer, status, code)
        assert answer.headers["connection"] == "close"
        assert answer.headers["parley-version"]
        assert await exchanges.is_over(), "nothing behind it is read as a request"
    return answer


@pytest.mark.requirement("B18")
@pytest.mark.parametrize("name", TWO_WAYS)
async def test_a_body_that_could_end_in_two_places_is_none(front_door: Server, name: str) -> None:
    await refused_by(front_door, TWO_WAYS[name], 400, "bad_framing")


@pytest.mark.requirement("B19")
@pytest.mark.parametrize("name", MALFORMED)
async def test_a_head_that_is_not_written_as_one_is_none(front_door: Server, name: str) -> None:
    await refused_by(front_door, MALFORMED[name] + HIDDEN, 400, "bad_framing")


@pytest.mark.requirement("B18")
async def test_no_message_is_written_by_a_request_that_was_hidden(front_door: Server) -> None:
    body = b'{"text":"smuggled"}'
    hidden = request(
        f"Authorization: Bearer {front_door.tenant.live}".encode(),
        b"Content-Type: application/json",
        *lengths(b"%d" % len(body)),
        first=f"POST {MESSAGES} HTTP/1.1".encode(),
    )
    for packet in TWO_WAYS.values():
        whole = packet.removesuffix(HIDDEN) + hidden + body
        await refused_by(front_door, whole, 400, "bad_framing")
    assert await position(front_door) == 0


LINE = b"GET /healthz?a="
LARGE = {
    "500 headers": (request(*(b"X-%d: a" % n for n in range(500))), 431, "headers_too_large"),
    "a header too many": (
        request(*(b"X-%d: a" % n for n in range(HEADERS_MAX))),
        431,
        "headers_too_large",
    ),
    "a header of 20 KB": (request(b"X: " + b"a" * 20_000), 431, "headers_too_large"),
    "a header of a byte too many": (
        request(b"X: " + b"a" * HEADER_BYTES_MAX),
        431,
        "headers_too_large",
    ),
    "a head of a byte too many": (
        request(*(b"X-%d: %b" % (n, b"a" * 1_000) for n in range(HEAD_BYTES_MAX // 1_000 + 1))),
        431,
        "headers_too_large",
    ),
    "a head without an end": (request(b"X: ")[:-4] + b"a" * 1_000_000, 431, "headers_too_large"),
    "a URL of 64 KB": (
        request(first=LINE + b"a" * 65_536 + b" HTTP/1.1"),
        414,
        "uri_too_long",
    ),
    "a URL of a byte too many": (
        request(first=LINE + b"a" * (REQUEST_LINE_BYTES_MAX - len(LINE)) + b" HTTP/1.1"),
        414,
        "uri_too_long",
    ),
    "a URL without an end": (b"GET /" + b"a" * 1_000_000, 414, "uri_too_long"),
}


@pytest.mark.requirement("B20")
@pytest.mark.parametrize("name", LARGE)
async def test_a_head_that_is_too_large_is_refused(front_door: Server, name: str) -> None:
    await refused_by(front_door, *LARGE[name])


async def test_a_head_that_just_fits_is_read(front_door: Server) -> None:
    line = LINE + b"a" * (REQUEST_LINE_BYTES_MAX - len(LINE) - len(b" HTTP/1.1\r\n"))
    for packet in (
        request(*(b"X-%d: a" % n for n in range(HEADERS_MAX - 1))),
        request(b"X: " + b"a" * (HEADER_BYTES_MAX - 1)),
    ):
        async with exchanging(front_door.url) as exchanges:
            await exchanges.send(packet)
            assert (await exchanges.answer()).status_code == 200
    async with exchanging(front_door.url) as exchanges:
        await exchanges.send(request(first=line + b" HTTP/1.1"))
        problem(await exchanges.answer(), 422, "bad_parameter")


OTHERS = {
    "another version": (request(first=b"GET /healthz HTTP/2.0"), 505, "http_version_not_supported"),
    "an old version": (b"GET /healthz HTTP/0.9\r\n\r\n", 505, "http_version_not_supported"),
    "no version": (b"GET /healthz\r\n\r\n", 505, "http_version_not_supported"),
    "the preface of HTTP/2": (HTTP2_PREFACE, 501, "not_implemented"),
    "another expectation": (
        post(b"Expect: a-miracle", *lengths(b"5")),
        417,
        "expectation_failed",
    ),
}


@pytest.mark.requirement("B22")
@pytest.mark.parametrize("name", OTHERS)
async def test_what_this_port_does_not_speak_is_named(front_door: Server, name: str) -> None:
    await refused_by(front_door, *OTHERS[name])


@pytest.mark.requirement("B22")
async def test_a_wish_for_http2_in_clear_text_is_passed_over(front_door: Server) -> None:
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    async with exchanging(front_door.url) as exchanges:
        for _ in range(2):
            await exchanges.send(request(*upgrade))
            answer = await exchanges.answer()
            assert answer.status_code == 200
            assert "upgrade" not in answer.headers


async def test_a_url_names_the_host_that_is_asked(front_door: Server) -> None:
    async with exchanging(front_door.url) as exchanges:
        await exchanges.send(request(first=b"GET http://a/healthz HTTP/1.1"))
        assert (await exchanges.answer()).json() == {"status": "ok"}
    for target in (b"http://b/healthz", b"https://a:1/healthz", b"http://a@b/healthz"):
        packet = request(first=b"GET " + target + b" HTTP/1.1")
        await refused_by(front_door, packet, 421, "misdirected")
