"""Every body that is none, at every route that takes one: a refusal in words, and nothing lost."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import msgspec
import pytest
from msgspec import inspect

from gateway.api.contract import Route
from gateway.http.problem import PROBLEMS
from gateway.limits import JSON_DEPTH_MAX
from tests.support.answers import (
    MUTATING,
    WITH_BODY,
    Refusals,
    exchange,
    fault_of,
    fields_of,
    good,
    is_nullable,
    key_of,
    kinds_of,
    path_of,
    raw_post,
)
from tests.support.servers import Server
from tests.support.talk import MESSAGES, position, post, prepared

SECRET = "hunter2-tr0ub4dor-correct-horse"
JSON = {"Content-Type": "application/json"}
MSGPACK = {"Content-Type": "application/msgpack"}
HUGE = b"x" * 4_300_000

MALFORMED: Refusals = {(400, "malformed_json")}
MALFORMED_MSGPACK: Refusals = {(400, "malformed_msgpack")}
TYPE: Refusals = {(422, "wrong_type")}
RANGE: Refusals = {(422, "out_of_range")}
DEEP: Refusals = {(400, "too_deep")}
MEDIA: Refusals = {(415, "unsupported_media_type")}
LARGE: Refusals = {(413, "too_large")}


@dataclass(frozen=True)
class Bad:
    """One row of the table."""

    name: str
    body: bytes
    allowed: Refusals
    headers: dict[str, str] = field(default_factory=lambda: JSON)


def members_of(route: Route) -> Iterator[tuple[str, inspect.Field, inspect.Type]]:
    """Yield the name, the declaration and the first type of each member but the key."""
    assert route.body is not None
    for member in fields_of(route.body):
        if member.encode_name != "idempotency_key":
            yield member.encode_name, member, kinds_of(member)[0]


def integer_members(route: Route) -> list[str]:
    return [name for name, _, kind in members_of(route) if isinstance(kind, inspect.IntType)]


def wrapped_text(route: Route) -> tuple[str, str, bytes, bytes]:
    """Return a place for a text that must be there, its member, and what stands around it."""
    for name, member, kind in members_of(route):
        is_plain = isinstance(kind, inspect.StrType) and kind.pattern is None
        if is_plain and not is_nullable(member):
            return name, name, b"", b""
    for name, _, kind in members_of(route):
        if isinstance(kind, inspect.StructType):
            return f"{name}.id", name, b'{"type":"agent","id":', b"}"
    message = f"{route.name} takes no text"
    raise AssertionError(message)


def member_without_text(route: Route) -> str:
    """Return a member that no text is right for."""
    for kinds in (inspect.IntType | inspect.StructType, inspect.LiteralType):
        for name, _, kind in members_of(route):
            if isinstance(kind, kinds):
                return name
    message = f"{route.name} takes any text for every member"
    raise AssertionError(message)


def with_value(route: Route, name: str, value: bytes) -> bytes:
    """Return the route's good body with one more member, whose value is these bytes."""
    body = {k: v for k, v in good(route).items() if k != name}
    return msgspec.json.encode(body)[:-1] + b',"' + name.encode() + b'":' + value + b"}"


def bad_numbers(route: Route) -> Iterator[Bad]:
    for name, value, allowed in (
        ("NaN", b"NaN", MALFORMED),
        ("Infinity", b"-Infinity", MALFORMED),
        ("1e400", b"1e400", MALFORMED | RANGE),
        ("2^63", str(2**63).encode(), RANGE),
        ("2^64", str(2**64).encode(), RANGE),
        ("-2^63-1", str(-(2**63) - 1).encode(), RANGE),
        ("5,000 digits", b"9" * 5_000, MALFORMED | RANGE),
        ("a fraction", b"1.5", TYPE),
        ("a number as text", b'"600"', TYPE),
        ("a truth", b"true", TYPE),
    ):
        for member in integer_members(route):
            yield Bad(f"{name} in {member}", with_value(route, member, value), allowed)


def bad_texts(route: Route) -> Iterator[Bad]:
    place, member, before, behind = wrapped_text(route)
    surrogates = b"\xed\xa0\xbd\xed\xb8\x80"
    for name, value, allowed in (
        ("a lone surrogate", rb'"\ud800"', MALFORMED),
        ("half a pair", rb'"\ud83dx"', MALFORMED),
        ("no UTF-8", b'"\xff\xfe"', MALFORMED),
        ("CESU-8", b'"' + surrogates + b'"', MALFORMED),
        ("a raw NUL", b'"\0"', MALFORMED),
        ("an escaped NUL", rb'"a\u0000b"', {(422, "forbidden_character")}),
        ("a number", b"1", TYPE),
        ("null", b"null", TYPE),
    ):
        body = with_value(route, member, before + value + behind)
        yield Bad(f"{name} in {place}", body, allowed)
    text = msgspec.json.encode(good(route)).decode()
    yield Bad("a byte order mark", text.encode("utf-8-sig"), MALFORMED)
    yield Bad("UTF-16", text.encode("utf-16"), MALFORMED)


def bad_shapes(route: Route) -> Iterator[Bad]:
    body = msgspec.json.encode(good(route))
    for depth in (JSON_DEPTH_MAX + 1, 1_000, 100_000):
        yield Bad(f"{depth} open arrays", b"[" * depth, DEEP)
        nested = b"[" * depth + b"]" * depth
        yield Bad(f"{depth} arrays in a member", with_value(route, "extra", nested), DEEP)
    yield Bad("1,000 objects", b'{"a":' * 1_000 + b"1" + b"}" * 1_000, DEEP)
    endless = b'"' + b'\\"' * 120_000 + b"[" * (JSON_DEPTH_MAX + 1)
    yield Bad("an endless text of quotes", endless, MALFORMED | DEEP)
    yield Bad("no body", b"", MALFORMED)
    yield Bad("half a body", body[:-1], MALFORMED)
    for name, value in (("null", b"null"), ("an array", b"[]"), ("a text", b'"a"'), ("1", b"1")):
        yield Bad(f"{name} at the top", value, TYPE)
    if any(member.required for _, member, _ in members_of(route)):
        yield Bad("no members", b"{}", TYPE)
    yield Bad("bytes behind it", body + b" x", MALFORMED)
    yield Bad("two values", body * 2, MALFORMED)
    unknown = with_value(route, "is_admin", b"true")
    yield Bad("an unknown member", unknown, {(422, "unknown_field")})
    if route.strict_body:
        twice = body[:-1] + b"," + body[1:]
        yield Bad("members that stand twice", twice, {(400, "duplicate_key")})


def bad_types(route: Route) -> Iterator[Bad]:
    body = msgspec.json.encode(good(route))
    for kind in (
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-7",
        "application/json; charset=latin-1",
        "application/jsonx",
        "application/*",
    ):
        yield Bad(f"the type {kind!r}", body, MEDIA, {"Content-Type": kind})
    yield Bad("no type", body, MEDIA, {})
    for encoding in ("gzip", "deflate", "br", "gzip, identity"):
        headers = JSON | {"Content-Encoding": encoding}
        yield Bad(f"packed by {encoding}", gzip.compress(b"[" * 1_000_000), MEDIA, headers)


def bad_msgpack(route: Route) -> Iterator[Bad]:
    if route.strict_body:
        raw = msgspec.msgpack.encode(good(route))
        yield Bad("MessagePack where members are counted", raw, MEDIA, MSGPACK)
        return
    body = msgspec.msgpack.encode(good(route))
    extra = b"\xa5extra"
    longer = bytes([body[0] + 1]) + body[1:] + extra
    deep = b"\x91" * (JSON_DEPTH_MAX + 1) + b"\x01"
    for name, raw, allowed in (
        ("nothing", b"", MALFORMED_MSGPACK),
        ("half of it", body[:-1], MALFORMED_MSGPACK),
        ("bytes behind it", body + b"\x01", MALFORMED_MSGPACK),
        ("4 G announced", b"\xdd\xff\xff\xff\xff", MALFORMED_MSGPACK),
        ("a map as a name", b"\x81\x81\x01\x02\x03", MALFORMED_MSGPACK | TYPE),
        ("100,000 arrays", b"\x91" * 100_000 + b"\x01", MALFORMED_MSGPACK | DEEP),
        ("too many levels", longer + deep, DEEP),
        ("bytes for text", longer + b"\xc4\x01x", TYPE),
        ("an extension", longer + b"\xd4\x05x", TYPE),
        ("NaN", longer + b"\xca\x7f\xc0\x00\x00", TYPE | RANGE),
        ("2^64-1", longer + b"\xcf" + b"\xff" * 8, RANGE),
        ("NUL", longer + b"\xa1\0", {(422, "forbidden_character")}),
        ("an unknown member", longer + b"\x01", {(422, "unknown_field")}),
    ):
        yield Bad(f"MessagePack: {name}", raw, allowed, MSGPACK)


TABLE: tuple[Callable[[Route], Iterator[Bad]], ...] = (
    bad_numbers,
    bad_texts,
    bad_shapes,
    bad_types,
    bad_msgpack,
)


def rows_of(route: Route) -> list[Any]:
    return [
        pytest.param(route, rows, id=f"{route.name}-{rows.__name__}")
        for rows in TABLE
        if any(True for _ in rows(route))
    ]


async def good_request_works(client: httpx2.AsyncClient, route: Route, name: str) -> str:
    """Send what the route takes, in a conversation of its own; return its path."""
    path = await prepared(client, route, name)
    answer = await client.request(route.method, path, json=good_in(route, name))
    assert answer.status_code == route.status, answer.text
    return path


def good_in(route: Route, name: str) -> dict[str, Any]:
    body = good(route)
    return body | ({"external_id": name} if "external_id" in body else {})


@pytest.mark.requirement(
    *("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B11", "B12", "B13", "B14", "B15")
)
@pytest.mark.parametrize(("route", "rows"), [row for route in WITH_BODY for row in rows_of(route)])
async def test_a_bad_body_is_refused_in_words_and_nothing_is_written(
    server: Server, route: Route, rows: Callable[[Route], Iterator[Bad]]
) -> None:
    faults: dict[str, str] = {}
    async with server.staff() as client:
        path = await good_request_works(client, route, "conv_123")
        before = await position(server)
        for bad in rows(route):
            answer = await client.request(route.method, path, content=bad.body, headers=bad.headers)
            fault = fault_of(answer, bad.allowed)
            if fault is not None:
                faults[bad.name] = fault
        assert faults == {}
        assert await position(server) == before
        await good_request_works(client, route, "conv_124")


@pytest.mark.requirement("S96", "B10", "B16")
@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
async def test_a_body_over_the_limit_is_refused_by_its_length(server: Server, route: Route) -> None:
    path, key = path_of(route), key_of(route, server.tenant)
    head = raw_post(path, key, HUGE, method=route.method)
    answer = await exchange(server.url, head)
    assert fault_of(answer, LARGE) is None, answer.text
    announced = raw_post(path, key, b"", method=route.method).replace(
        b"Content-Length: 0", b"Content-Length: 2147483648"
    )
    answer = await exchange(server.url, announced + b"{")
    assert fault_of(answer, LARGE) is None, answer.text
    async with server.staff() as client:
        await good_request_works(client, route, "conv_123")


@pytest.mark.parametrize("size", [300_000, 1_000_000, 4_000_000])
async def test_a_client_whose_body_was_too_large_may_go_on(server: Server, size: int) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client, "the connection is in use already")
        refused = await client.post(MESSAGES, json={"text": "x" * size})
        assert fault_of(refused, LARGE) is None, refused.text
        await post(client, "shorter")


@pytest.mark.requirement("S96", "B17")
@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
async def test_a_chunked_body_over_the_limit_is_refused(server: Server, route: Route) -> None:
    head = raw_post(path_of(route), key_of(route, server.tenant), b"", method=route.method).replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked"
    )
    chunks = (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 66 + b"0\r\n\r\n"
    answer = await exchange(server.url, head + chunks)
    assert fault_of(answer, LARGE) is None, answer.text
    async with server.staff() as client:
        await good_request_works(client, route, "conv_123")


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
async def test_a_refusal_names_the_member_and_never_says_what_was_in_it(
    server: Server, route: Route
) -> None:
    secret = msgspec.json.encode(SECRET)
    member = member_without_text(route)
    wrong = with_value(route, member, secret)
    bodies = [with_value(route, name, secret + b",") for name in route.examples]
    bodies += [with_value(route, name, secret) for name in ("password", "visibility", "metadata")]
    bodies += [with_value(route, name, secret) for name in integer_members(route)]
    bodies += [with_value(route, "author", b'{"type":' + secret + b',"id":"usr_45"}')]
    bodies += [with_value(route, "user_id", secret[:-1] + b'\\u0000"'), wrong]
    async with server.staff() as client:
        path = await prepared(client, route)
        for body in bodies:
            answer = await client.request(route.method, path, content=body, headers=JSON)
            assert answer.status_code in {400, 422}, (body, answer.text)
            assert SECRET not in answer.text, (body, answer.text)
        answer = await client.request(route.method, path, content=wrong, headers=JSON)
        assert [error["field"] for error in answer.json()["errors"]] == [member]


@pytest.mark.parametrize(
    "route", [r for r in MUTATING if r.body is None], ids=lambda route: route.name
)
async def test_a_route_without_a_body_reads_none(server: Server, route: Route) -> None:
    async with server.staff() as client:
        path = await prepared(client, route)
        answer = await client.request(route.method, path, content=b"\xff" * 1_000)
        assert answer.status_code == route.status, answer.text


async def test_every_problem_has_its_page(server: Server) -> None:
    async with server.client() as client:
        for code, known in PROBLEMS.items():
            page = await client.get(f"/problems/{code}")
            assert page.status_code == 200, code
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert known.title in page.text or "&" in page.text
