"""What is no request, or could be read in two ways, is refused: and nothing behind it is read."""

import pytest

from gateway.http.problem import status_of
from gateway.limits import (
    CHUNKED_OVERHEAD_BYTES_MAX,
    HEAD_BYTES_MAX,
    HEADER_BYTES_MAX,
    HEADERS_MAX,
    REQUEST_LINE_BYTES_MAX,
)
from gateway.server.http1 import RefusedRequestError, RequestReader
from tests.gateway.server.reading import CHUNKED, GET, HOST, never, only, read, read_anyhow, request


def headers(*lines: bytes) -> bytes:
    return request(b"POST / HTTP/1.1", HOST, *lines, body=b"abc\r\n0\r\n\r\n")


BAD_HEADS = {
    "a length and chunks": headers(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    "chunks and a length": headers(b"Transfer-Encoding: chunked", b"Content-Length: 3"),
    "two lengths": headers(b"Content-Length: 3", b"Content-Length: 4"),
    "two equal lengths": headers(b"Content-Length: 3", b"content-length: 3"),
    "a length with a plus": headers(b"Content-Length: +5"),
    "a negative length": headers(b"Content-Length: -5"),
    "two lengths in one": headers(b"Content-Length: 5, 5"),
    "a spaced length": headers(b"Content-Length: 5 5"),
    "a hexadecimal length": headers(b"Content-Length: 0x5"),
    "a length with an underscore": headers(b"Content-Length: 1_0"),
    "a length with a superscript": headers(b"Content-Length: \xb2"),
    "an empty length": headers(b"Content-Length:"),
    "a fractional length": headers(b"Content-Length: 5.0"),
    "a length of 2^63": headers(b"Content-Length: 9223372036854775808"),
    "a length of 2^64": headers(b"Content-Length: 18446744073709551616"),
    "a length of 5,000 digits": headers(b"Content-Length: " + b"0" * 4_999 + b"3"),
    "xchunked": headers(b"Transfer-Encoding: xchunked"),
    "gzip, chunked": headers(b"Transfer-Encoding: gzip, chunked"),
    "chunked, gzip": headers(b"Transfer-Encoding: chunked, gzip"),
    "chunked, chunked": headers(b"Transfer-Encoding: chunked, chunked"),
    "chunked with a parameter": headers(b"Transfer-Encoding: chunked;q=1"),
    "chunked twice": headers(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "identity": headers(b"Transfer-Encoding: identity"),
    "no coding": headers(b"Transfer-Encoding:"),
    "chunks in a folded line": headers(b"Transfer-Encoding:\r\n chunked"),
    "chunks in 1.0": headers(b"Transfer-Encoding: chunked").replace(b"1.1", b"1.0"),
    "space before the colon": headers(b"X-A : b"),
    "tab before the colon": headers(b"X-A\t: b"),
    "space before the name": request(b"GET / HTTP/1.1", b" Host: a"),
    "no name": headers(b": b"),
    "no colon": headers(b"X-A"),
    "a name that is no token": headers(b"X(A): b"),
    "a name in Latin-1": headers(b"X-\xc4: b"),
    "a folded line": headers(b"X-A: b\r\n c"),
    "a folded line, by tab": headers(b"X-A: b\r\n\tc"),
    "NUL in a value": headers(b"X-A: b\0c"),
    "a control character in a value": headers(b"X-A: b\x01c"),
    "DEL in a value": headers(b"X-A: b\x7fc"),
    "a bare CR in a value": headers(b"X-A: b\rc"),
    "a bare CR at the end of a value": headers(b"X-A: b\r"),
    "a bare LF in a value": headers(b"X-A: b\nX-C: d"),
    "a bare LF behind the request line": GET.replace(b"1.1\r\n", b"1.1\n"),
    "a bare LF behind a header": b"GET / HTTP/1.1\r\nHost: a\n\r\n",
    "a bare LF as the empty line": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "nothing but bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "a bare CR behind the request line": GET.replace(b"1.1\r\n", b"1.1\r"),
    "an empty line of bare LF before": b"\n" + GET,
    "an empty line of bare CR before": b"\r" + GET,
    "space before": b" " + GET,
    "no host": request(b"GET / HTTP/1.1"),
    "two hosts": headers(b"Host: a.example"),
    "two hosts, one of them empty": headers(b"host:"),
    "a host of two words": request(b"GET / HTTP/1.1", b"Host: a b"),
    "a host with a user": request(b"GET / HTTP/1.1", b"Host: u@a"),
    "a host with a path": request(b"GET / HTTP/1.1", b"Host: a/b"),
    "a host in Latin-1": request(b"GET / HTTP/1.1", b"Host: \xe9"),
    "a port in words": request(b"GET / HTTP/1.1", b"Host: a:http"),
    "a port without a host": request(b"GET / HTTP/1.1", b"Host: :80"),
    "half an IPv6 address": request(b"GET / HTTP/1.1", b"Host: [::1"),
    "a target of two words": request(b"GET /a b HTTP/1.1", HOST),
    "two spaces before the target": request(b"GET  / HTTP/1.1", HOST),
    "two spaces behind the target": request(b"GET /  HTTP/1.1", HOST),
    "space behind the version": request(b"GET / HTTP/1.1 ", HOST),
    "a tab behind the method": request(b"GET\t/ HTTP/1.1", HOST),
    "no target": request(b"GET HTTP/1.1", HOST),
    "a target that is a host": request(b"GET a.example:80 HTTP/1.1", HOST),
    "a target that is a query": request(b"GET ?a HTTP/1.1", HOST),
    "a target that is a word": request(b"GET v1 HTTP/1.1", HOST),
    "a star for GET": request(b"GET * HTTP/1.1", HOST),
    "a fragment": request(b"GET /a#b HTTP/1.1", HOST),
    "a control character in the target": request(b"GET /a\x01 HTTP/1.1", HOST),
    "Latin-1 in the target": request(b"GET /\xe9 HTTP/1.1", HOST),
    "DEL in the target": request(b"GET /\x7f HTTP/1.1", HOST),
    "a URL of another scheme": request(b"GET ftp://a.example/ HTTP/1.1", HOST),
    "a URL without a host": request(b"GET http:///a HTTP/1.1", HOST),
    "HTTP in lower case": request(b"GET / http/1.1", HOST),
    "another protocol": request(b"GET / RTSP/1.0", HOST),
    "yet another protocol": request(b"GET / ICE/1.0", HOST),
    "a minor version of two digits": request(b"GET / HTTP/1.10", HOST),
    "the beginning of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD_HEADS.values(), ids=BAD_HEADS)
def test_what_is_no_head_of_http_1_is_refused(data: bytes) -> None:
    assert read_anyhow(data + GET) == ([], ["bad_framing"])


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PRI", "PROPFIND", "SOURCE", "get", "Get"])
@pytest.mark.parametrize("target", ["/", "a.example:80", "*"])
@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_a_method_that_no_path_takes_is_not_implemented(
    method: str, target: str, version: str
) -> None:
    data = request(f"{method} {target} HTTP/{version}".encode(), HOST)
    assert read_anyhow(data + GET) == ([], ["not_implemented"])


@pytest.mark.parametrize(
    "line", ["GET /", "GET / HTTP/0.9", "GET / HTTP/2.0", "GET / HTTP/3", "GET / HTTP/1.2"]
)
def test_another_version_of_http_is_not_supported(line: str) -> None:
    assert read_anyhow(line.encode() + b"\r\n") == ([], ["http_version_not_supported"])
    data = request(line.encode(), HOST)
    assert read_anyhow(data + GET) == ([], ["http_version_not_supported"])


@pytest.mark.parametrize("target", ["http://b/", "http://a.example:80/", "http://u@a.example/"])
def test_a_url_of_another_host_is_misdirected(target: str) -> None:
    for data in (
        request(f"GET {target} HTTP/1.1".encode(), HOST),
        request(f"GET {target} HTTP/1.0".encode()),
    ):
        assert read_anyhow(data + GET) == ([], ["misdirected"])


@pytest.mark.parametrize("expectation", ["", "200-ok", "100-continue, 200-ok", "100-continue=1"])
def test_another_expectation_fails(expectation: str) -> None:
    data = headers(b"Expect: " + expectation.encode(), b"Content-Length: 3")
    assert read_anyhow(data) == ([], ["expectation_failed"])


BAD_CHUNKS = {
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "a size with 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a negative size": b"-3\r\nabc\r\n0\r\n\r\n",
    "a size with a plus": b"+3\r\nabc\r\n0\r\n\r\n",
    "a size that is no number": b"g\r\nabc\r\n0\r\n\r\n",
    "a size of 17 digits": b"f" * 17 + b"\r\nabc\r\n0\r\n\r\n",
    "space before a size": b" 3\r\nabc\r\n0\r\n\r\n",
    "space behind a size": b"3 \r\nabc\r\n0\r\n\r\n",
    "a bare LF behind a size": b"3\nabc\r\n0\r\n\r\n",
    "a bare CR behind a size": b"3\rabc\r\n0\r\n\r\n",
    "an extension without a name": b"3;\r\nabc\r\n0\r\n\r\n",
    "an extension with an open quote": b'3;a="b\r\nabc\r\n0\r\n\r\n',
    "an extension with NUL": b'3;a="\0"\r\nabc\r\n0\r\n\r\n',
    "a size and a word": b"3 a\r\nabc\r\n0\r\n\r\n",
    "a bare LF in an extension": b"3;a\n=b\r\nabc\r\n0\r\n\r\n",
    "a bare LF behind the content": b"3\r\nabc\n0\r\n\r\n",
    "more content than announced": b"2\r\nabc\r\n0\r\n\r\n",
    "less content than announced": b"4\r\nabc\r\n0\r\n\r\n",
    "nothing between two chunks": b"3\r\nabc0\r\n\r\n",
    "a bare LF as the end": b"3\r\nabc\r\n0\r\n\n",
    "a bare LF behind a trailer": b"0\r\nX-A: b\n\r\n",
    "a folded trailer": b"0\r\nX-A: b\r\n c\r\n\r\n",
    "a bare CR in a trailer": b"0\r\nX-A: b\rc\r\n\r\n",
    "NUL in a trailer": b"0\r\nX-A: b\0c\r\n\r\n",
    "space before the colon of a trailer": b"0\r\nX-A : b\r\n\r\n",
    "a trailer that is none": b"0\r\nnothing\r\n\r\n",
    "a length as a trailer": b"0\r\nContent-Length: 3\r\n\r\n",
    "a coding as a trailer": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "extensions without end": b"1;" + b"x" * CHUNKED_OVERHEAD_BYTES_MAX,
    "a size of zeros without end": b"0" * (CHUNKED_OVERHEAD_BYTES_MAX + 1),
    "trailers without end": b"0\r\n" + b"X-A: bcdefg\r\n" * (CHUNKED_OVERHEAD_BYTES_MAX // 13),
}


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_a_body_that_is_not_chunked_as_announced_is_refused(chunks: bytes) -> None:
    told, refused = read_anyhow(CHUNKED + chunks + GET)
    assert refused == ["bad_framing"]
    assert [one.complete for one in told] == [False]


def test_around_the_content_of_a_chunked_body_there_is_only_so_much() -> None:
    around = len(b"1;" + b"\r\n" + b"\r\n" + b"0\r\n\r\n")
    longest = b"e" * (CHUNKED_OVERHEAD_BYTES_MAX - around)
    good = CHUNKED + b"1;" + longest + b"\r\nx\r\n0\r\n\r\n"
    assert bytes(only(good).body) == b"x"
    told, refused = read_anyhow(good.replace(b";e", b";ee"))
    assert ([one.complete for one in told], refused) == ([False], ["bad_framing"])


def padded(size: int, *, lines: tuple[bytes, ...] = ()) -> bytes:
    """Return a request whose head has ``size`` bytes, in headers that are not too large."""
    head = request(b"GET / HTTP/1.1", HOST, *lines)
    more: list[bytes] = []
    while missing := size - len(head) - len(b"".join(more)) - 2 * len(more):
        more.append(b"X-Pad: " + b"x" * (min(missing, 7_000) - 9))
    return request(b"GET / HTTP/1.1", HOST, *lines, *more)


def test_a_head_has_only_so_many_bytes() -> None:
    largest = padded(HEAD_BYTES_MAX)
    assert len(largest) == HEAD_BYTES_MAX
    assert set(only(largest).headers) == {"host", "x-pad"}
    one_more = padded(HEAD_BYTES_MAX + 1)
    assert read_anyhow(one_more) == ([], ["headers_too_large"])
    assert read_anyhow(one_more[:HEAD_BYTES_MAX]) == ([], ["headers_too_large"])
    assert read_anyhow(one_more[: HEAD_BYTES_MAX - 1]) == ([], [])


def test_a_large_head_with_a_bare_lf_in_it_is_malformed_before_it_is_too_large() -> None:
    for size in (HEAD_BYTES_MAX, HEAD_BYTES_MAX + 1, 2 * HEAD_BYTES_MAX):
        data = padded(size, lines=(b"X-A: b\nX-C: d",))
        assert read_anyhow(data) == ([], ["bad_framing"])


def test_a_request_line_has_only_so_many_bytes() -> None:
    around = len(b"GET / HTTP/1.1\r\n")
    target = b"/" + b"a" * (REQUEST_LINE_BYTES_MAX - around)
    assert only(request(b"GET " + target + b" HTTP/1.1", HOST)).raw_path == target.decode()
    data = request(b"GET " + target + b"a HTTP/1.1", HOST)
    assert read_anyhow(data) == ([], ["uri_too_long"])
    assert read_anyhow(data[: REQUEST_LINE_BYTES_MAX - 1]) == ([], [])
    assert read_anyhow(data[:REQUEST_LINE_BYTES_MAX]) == ([], ["uri_too_long"])
    assert read(b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\n\r\n") == ([], ["uri_too_long"])
    assert read_anyhow(b"A" * REQUEST_LINE_BYTES_MAX) == ([], ["not_implemented"])
    assert read_anyhow(b"\0" * REQUEST_LINE_BYTES_MAX) == ([], ["bad_framing"])


def test_a_header_has_only_so_many_bytes() -> None:
    value = b"x" * (HEADER_BYTES_MAX - len(b"X-A"))
    assert only(request(b"GET / HTTP/1.1", HOST, b"X-A: " + value)).headers["x-a"] == value.decode()
    data = request(b"GET / HTTP/1.1", HOST, b"X-A: " + value + b"x")
    assert read_anyhow(data) == ([], ["headers_too_large"])
    assert read(request(b"GET / HTTP/1.1", HOST, b"X-A: " + b"x" * 20_000)) == (
        [],
        ["headers_too_large"],
    )


@pytest.mark.parametrize("name", [b"X-%d", b"X-Same"])
def test_there_are_only_so_many_headers(name: bytes) -> None:
    lines = [(name.replace(b"%d", b"%d" % at)) + b": x" for at in range(HEADERS_MAX)]
    most = request(b"GET / HTTP/1.1", HOST, *lines[1:])
    assert read_anyhow(most)[1] == []
    assert read_anyhow(request(b"GET / HTTP/1.1", HOST, *lines)) == ([], ["headers_too_large"])
    many = request(b"GET / HTTP/1.1", HOST, *(lines * 5))
    assert read(many) == ([], ["headers_too_large"])


def test_the_largest_length_is_read() -> None:
    data = request(b"POST / HTTP/1.1", HOST, b"Content-Length: 9223372036854775807", body=b"x")
    told, refused = read_anyhow(data)
    assert ([one.content_length for one in told], refused) == ([2**63 - 1], [])


@pytest.mark.parametrize("beginning", [b"GET / HTTP/2.0\r\n", b"GET / HTTP/1.1\r\nHost: a\n"])
def test_a_head_is_refused_before_it_is_whole_also_behind_another_one(beginning: bytes) -> None:
    told, refused = read_anyhow(GET + beginning)
    assert (len(told), len(refused)) == (1, 1)


def test_a_refusal_is_the_last_that_is_told() -> None:
    told, refused = read_anyhow(GET + b"GET / HTTP/9.9\r\n" + GET + b"\n")
    assert (len(told), refused) == (1, ["http_version_not_supported"])


def test_a_refusal_is_a_problem_and_repeats_nothing_of_what_came() -> None:
    for data, status in (
        (b"GET /sk_live_secret\r\n", 505),
        (b"SK_LIVE_SECRET / HTTP/1.1\r\n", 501),
        (request(b"GET / HTTP/1.1", HOST, b"sk_live_secret"), 400),
        (request(b"GET http://sk_live_secret/ HTTP/1.1", HOST), 421),
        (request(b"GET / HTTP/1.1", HOST, b"Expect: sk_live_secret"), 417),
        (b"GET /" + b"sk_live_secret" * 1_000, 414),
        (b"GET / HTTP/1.1\r\nX-A: " + b"sk_live_secret" * 1_500, 431),
    ):
        refused: list[RefusedRequestError] = []
        RequestReader(on_request=never, on_refused=refused.append).feed(data)
        assert [status_of(error) for error in refused] == [status]
        assert "secret" not in refused[0].detail.lower()
