"""Requests are read in one way only, however their bytes arrive."""

import pytest

from gateway.server.http1 import Incoming, RequestReader
from tests.gateway.server.reading import CHUNKED, GET, HOST, never, only, read_anyhow, request


def test_a_request_is_read_with_all_that_it_says() -> None:
    body = b'{"text":"hello"}'
    found = only(
        request(
            b"POST /v1/conversations/conv_123/messages?dry=1&x=%20 HTTP/1.1",
            b"Host: localhost:8080",
            b"authorization: Bearer sk_live_x",
            b"X-Own:  \tspaced \t",
            b"X-Empty:",
            b"X-Old: caf\xe9",
            b"Content-Length: 16",
            body=body,
        )
    )
    assert found == Incoming(
        method="POST",
        raw_path="/v1/conversations/conv_123/messages",
        query="dry=1&x=%20",
        headers={
            "host": "localhost:8080",
            "authorization": "Bearer sk_live_x",
            "x-own": "spaced",
            "x-empty": "",
            "x-old": "café",
            "content-length": "16",
        },
        http_version="1.1",
        keep_alive=True,
        upgrade=False,
        expects_continue=False,
        content_length=16,
        chunked=False,
        body=bytearray(body),
        complete=True,
    )


def test_repeated_headers_are_joined_whatever_the_case_of_their_names() -> None:
    found = only(request(b"GET / HTTP/1.1", HOST, b"X-A: 1", b"x-b: 2", b"x-A: 3 ", b"X-A:\t4"))
    assert found.headers == {"host": "a.example", "x-a": "1, 3, 4", "x-b": "2"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_that_a_path_may_take_is_read(method: str) -> None:
    assert only(request(method.encode() + b" / HTTP/1.1", HOST)).method == method


def test_requests_on_the_heels_of_each_other_are_told_in_order() -> None:
    posted = request(b"POST /b HTTP/1.1", HOST, b"Content-Length: 3", body=b"abc")
    data = GET + posted + CHUNKED + b"2\r\nxy\r\n0\r\n\r\n" + posted
    told, refused = read_anyhow(data)
    assert refused == []
    assert [(one.raw_path, bytes(one.body)) for one in told] == [
        ("/v1/x", b""),
        ("/b", b"abc"),
        ("/", b"xy"),
        ("/b", b"abc"),
    ]
    assert all(one.complete for one in told)


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        (b"1.1", None, True),
        (b"1.1", b"keep-alive", True),
        (b"1.1", b"close", False),
        (b"1.1", b"Keep-Alive , CLOSE", False),
        (b"1.1", b"closed", True),
        (b"1.0", None, False),
        (b"1.0", b"Keep-Alive", True),
        (b"1.0", b"keep-alive, close", False),
    ],
)
def test_who_would_like_to_go_on_is_known(
    version: bytes, connection: bytes | None, *, keep_alive: bool
) -> None:
    lines = [b"GET / HTTP/" + version, HOST]
    lines += [] if connection is None else [b"Connection: " + connection]
    found = only(request(*lines))
    assert (found.keep_alive, found.http_version) == (keep_alive, version.decode())


@pytest.mark.parametrize(
    "last",
    [
        request(b"GET / HTTP/1.1", HOST, b"Connection: close"),
        request(b"GET / HTTP/1.0"),
        request(b"POST / HTTP/1.0", b"Content-Length: 2", body=b"ab"),
        CHUNKED.replace(b"Host", b"Connection: close\r\nHost") + b"1\r\nx\r\n0\r\n\r\n",
    ],
)
def test_behind_the_last_request_nothing_is_read(last: bytes) -> None:
    told, refused = read_anyhow(last + GET + b"garbage\n")
    assert (len(told), refused) == (1, [])


def test_a_request_is_told_with_its_head_and_filled_as_its_body_comes() -> None:
    told: list[Incoming] = []
    reader = RequestReader(on_request=told.append, on_refused=never)
    reader.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n")
    assert told == []
    reader.feed(b"\r\nabc")
    (incoming,) = told
    assert (bytes(incoming.body), incoming.complete) == (b"abc", False)
    incoming.body.clear()
    reader.feed(b"defghi")
    assert (bytes(incoming.body), incoming.complete) == (b"defghi", False)
    reader.feed(b"j" + GET)
    assert (bytes(incoming.body), incoming.complete) == (b"defghij", True)
    assert [one.raw_path for one in told] == ["/", "/v1/x"]


def test_what_is_taken_out_of_a_chunked_body_does_not_count_as_overhead() -> None:
    told: list[Incoming] = []
    reader = RequestReader(on_request=told.append, on_refused=never)
    reader.feed(CHUNKED)
    for _ in range(5):
        reader.feed(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        assert len(told[0].body) == 0x8000
        told[0].body.clear()
    reader.feed(b"0\r\n\r\n")
    assert told[0].complete


def test_a_chunked_body_is_put_together_and_its_trailers_are_passed_over() -> None:
    data = b"3;name=value\r\nabc\r\n00A\r\n\r\n\r\n\r\n\r\n\r\n\r\n0;last\r\nX-Trailer: y\r\n\r\n"
    found = only(CHUNKED + data)
    assert bytes(found.body) == b"abc" + b"\r\n" * 5
    assert found.chunked
    assert found.content_length is None
    assert "x-trailer" not in found.headers


@pytest.mark.parametrize(
    "trailer",
    [b"Connection: close", b"Connection: Upgrade\r\nUpgrade: websocket", b"Host: b", b"Expect: x"],
)
def test_a_trailer_changes_nothing(trailer: bytes) -> None:
    data = CHUNKED + b"1\r\nx\r\n0\r\n" + trailer + b"\r\n\r\n"
    told, refused = read_anyhow(data + GET)
    assert ([bytes(one.body) for one in told], refused) == ([b"x", b""], [])
    assert set(told[0].headers) == {"host", "transfer-encoding"}
    assert (told[0].keep_alive, told[0].upgrade) == (True, False)


def test_the_name_of_the_coding_is_read_in_any_case() -> None:
    data = CHUNKED.replace(b"chunked", b"Chunked") + b"1\r\nx\r\n0\r\n\r\n"
    assert bytes(only(data).body) == b"x"


def test_it_is_known_whether_a_request_is_under_way() -> None:
    reader = RequestReader(on_request=lambda _: None, on_refused=never)

    def state() -> tuple[bool, bool, bool]:
        return reader.idle, reader.amid, reader.amid_body

    assert state() == (True, False, False)
    reader.feed(b"P")
    assert state() == (False, True, False)
    reader.feed(b"OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
    assert state() == (False, True, True)
    reader.feed(b"a")
    assert state() == (False, True, True)
    reader.feed(b"b")
    assert state() == (True, False, False)
    reader.feed(b"\r\n")
    assert state() == (True, False, False)
    reader.feed(GET + CHUNKED)
    assert state() == (False, True, True)
    reader.feed(b"0\r\n\r")
    assert state() == (False, True, True)
    reader.feed(b"\n")
    assert state() == (True, False, False)
    reader.feed(request(b"GET / HTTP/1.0"))
    assert state() == (False, False, False)


def test_who_holds_is_told_of_the_next_request_only_when_it_resumes() -> None:
    told: list[Incoming] = []

    def take(incoming: Incoming) -> None:
        told.append(incoming)
        reader.hold()

    reader = RequestReader(on_request=take, on_refused=never)

    def amid() -> bool:
        return reader.amid

    posted = request(b"POST /b HTTP/1.1", HOST, b"Content-Length: 3", body=b"abc")
    reader.feed(GET + posted[:-1])
    assert [one.raw_path for one in told] == ["/v1/x"]
    assert not amid(), "nobody has looked yet"
    reader.resume()
    assert [one.raw_path for one in told] == ["/v1/x", "/b"]
    reader.feed(b"c" + GET + GET[:9])
    assert told[1].complete, "a body goes on"
    assert len(told) == 2
    assert not amid()
    reader.resume()
    reader.resume()
    assert len(told) == 3
    assert amid()
    reader.feed(GET[9:])
    assert len(told) == 4


def test_who_answers_at_once_may_resume_at_once() -> None:
    told: list[Incoming] = []

    def answer(incoming: Incoming) -> None:
        told.append(incoming)
        reader.hold()
        reader.resume()

    reader = RequestReader(on_request=answer, on_refused=never)
    posted = request(b"POST /b HTTP/1.1", HOST, b"Content-Length: 3", body=b"abc")
    reader.feed(GET + posted + GET + posted[:-1])
    assert [one.raw_path for one in told] == ["/v1/x", "/b", "/v1/x", "/b"]
    assert [one.complete for one in told] == [True, True, True, False]
    reader.feed(posted[-1:] + GET)
    assert len(told) == 5
    assert told[3].complete


def test_one_empty_line_before_a_request_is_forgiven_and_no_other() -> None:
    told, refused = read_anyhow(b"\r\n" + GET + b"\r\n" + GET)
    assert (len(told), refused) == (2, [])
    assert read_anyhow(b"\r\n\r\n" + GET) == ([], ["bad_framing"])


@pytest.mark.parametrize(
    ("line", "path", "query"),
    [
        (b"GET /", "/", ""),
        (b"GET /a/../b%2f%00?", "/a/../b%2f%00", ""),
        (b"GET //b/c?d?e=/f", "//b/c", "d?e=/f"),
        (b'GET /<"|^`{}\\>', '/<"|^`{}\\>', ""),
        (b"OPTIONS *", "*", ""),
        (b"GET http://a.example/b?c", "/b", "c"),
        (b"GET HTTPS://A.Example", "/", ""),
        (b"GET http://a.example?c=/", "/", "c=/"),
    ],
)
def test_a_target_is_a_path_or_a_url_of_the_same_host(line: bytes, path: str, query: str) -> None:
    found = only(request(line + b" HTTP/1.1", HOST))
    assert (found.raw_path, found.query) == (path, query)


@pytest.mark.parametrize(
    "host",
    ["", "a", "a.b:80", "a:", "127.0.0.1:8080", "[::1]", "[::ffff:1.2.3.4]:80", "a_b", "%41"],
)
def test_a_host_is_read(host: str) -> None:
    assert only(request(b"GET / HTTP/1.1", b"Host: " + host.encode())).headers["host"] == host


def test_http_1_0_needs_no_host() -> None:
    assert "host" not in only(request(b"GET / HTTP/1.0")).headers


@pytest.mark.parametrize(
    ("lines", "waits"),
    [
        ([b"Expect: 100-continue", b"Content-Length: 1"], True),
        ([b"Expect: 100-Continue", b"Transfer-Encoding: chunked"], True),
        ([b"Expect: 100-continue", b"Content-Length: 0"], False),
        ([b"Expect: 100-continue"], False),
        ([b"Content-Length: 1"], False),
    ],
)
def test_who_waits_before_the_body_is_known(lines: list[bytes], *, waits: bool) -> None:
    told, refused = read_anyhow(request(b"POST / HTTP/1.1", HOST, *lines))
    assert refused == []
    assert told[0].expects_continue is waits


def test_http_1_0_never_waits_before_the_body() -> None:
    lines = (b"POST / HTTP/1.0", b"Expect: 100-continue", b"Content-Length: 1")
    assert not only(request(*lines, body=b"x")).expects_continue


UPGRADE = (b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket")


def test_what_follows_an_upgrade_is_left_to_the_next_protocol() -> None:
    told: list[Incoming] = []
    reader = RequestReader(on_request=told.append, on_refused=never)
    reader.feed(request(b"GET /v1/realtime HTTP/1.1", HOST, *UPGRADE) + b"\x81\x80\r\n\r\n")
    assert (told[0].upgrade, told[0].complete, told[0].keep_alive) == (True, True, True)
    assert reader.rest == b"\x81\x80\r\n\r\n"
    assert not reader.amid
    reader.feed(GET)
    assert len(told) == 1


@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE"])
def test_an_upgrade_is_told_of_with_any_method(method: bytes) -> None:
    assert only(request(method + b" / HTTP/1.1", HOST, *UPGRADE)).upgrade


@pytest.mark.parametrize(
    "lines",
    [
        (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        (b"Connection: Upgrade", b"Upgrade: TLS/1.0"),
        (b"Connection: Upgrade", b"Upgrade: websockets"),
        (b"Connection: Upgrade",),
        (b"Upgrade: websocket",),
        (b"Connection: keep-alive", b"Upgrade: websocket"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"hello"])
def test_a_wish_for_another_protocol_is_passed_over(lines: tuple[bytes, ...], body: bytes) -> None:
    length = b"Content-Length: %d" % len(body)
    first = request(b"POST / HTTP/1.1", HOST, length, *lines, body=body)
    told, refused = read_anyhow(first + GET)
    assert refused == []
    assert [one.upgrade for one in told] == [False, False]
    assert bytes(told[0].body) == body


def test_a_chunked_body_beside_a_wish_for_another_protocol_is_read() -> None:
    head = CHUNKED.replace(b"Host", b"Connection: Upgrade\r\nUpgrade: h2c\r\nHost")
    told, refused = read_anyhow(head + b"1\r\nx\r\n0\r\n\r\n" + GET)
    assert ([bytes(one.body) for one in told], refused) == ([b"x", b""], [])


def test_an_upgrade_with_a_body_is_a_plain_request() -> None:
    first = request(b"GET / HTTP/1.1", HOST, b"Content-Length: 1", *UPGRADE, body=b"x")
    told, refused = read_anyhow(first + GET)
    assert ([one.upgrade for one in told], refused) == ([False, False], [])


def test_http_1_0_cannot_be_upgraded() -> None:
    assert not only(request(b"GET / HTTP/1.0", HOST, *UPGRADE)).upgrade
