"""What an application is told of a request, and what it may say."""

from typing import Any

import pytest

from gateway.server.asgi_messages import Answer, MisbehavedError, Part
from tests.gateway.server.exchanges import Asked

LENGTH = b"content-length"


def start(*headers: tuple[bytes, bytes], status: Any = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: Any = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


def sized(length: bytes) -> dict[str, Any]:
    return start((LENGTH, length))


def test_a_scope_has_every_key_of_the_specification() -> None:
    asked = Asked(
        "POST", "/docs/a%20b%2Fc/\xc3\xbc%C3%BC", "x=%20&y", {"host": "parley", "X-One": "\xe9, 2"}
    )
    assert asked.scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/docs/a b/c/üü",
        "raw_path": b"/docs/a%20b%2Fc/\xc3\xbc%C3%BC",
        "query_string": b"x=%20&y",
        "root_path": "",
        "headers": [(b"host", b"parley"), (b"x-one", b"\xe9, 2")],
        "client": ("192.0.2.1", 4711),
        "server": ("::1", 80),
        "state": {},
        "extensions": {},
    }


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [("", "/"), ("*", "*"), ("/%", "/%"), ("/%ff", "/\ufffd"), ("/%00", "/\0"), ("//a", "//a")],
)
def test_every_path_can_be_told(raw_path: str, path: str) -> None:
    scope = Asked(raw_path=raw_path).scope
    assert (scope["path"], scope["raw_path"]) == (path, raw_path.encode())


def test_status_and_headers_wait_for_the_first_part_of_the_body() -> None:
    answer = Answer("GET")
    assert answer.take(start((b"X-One", b"1"), status=201)) is None
    assert (answer.begun, answer.complete) == (False, False)
    head = (201, [(b"x-one", b"1")])
    assert answer.take(body(b"a", more=True)) == Part(head, b"a", more=True)
    assert (answer.begun, answer.complete) == (True, False)
    assert answer.take(body(b"", more=True)) == Part(None, b"", more=True)
    assert (answer.begun, answer.complete) == (True, False)
    assert answer.take({"type": "http.response.body"}) == Part(None, b"", more=False)
    assert (answer.begun, answer.complete) == (True, True)


@pytest.mark.parametrize(
    "messages",
    [
        [body()],
        [start(), start()],
        [start(), body(more=True), start()],
        [start(), body(), body()],
        [start(), body(), start()],
        [{"type": "http.response.push"}],
        [{"type": "websocket.accept"}],
        [{}],
    ],
)
def test_a_message_out_of_its_order_is_refused(messages: list[dict[str, Any]]) -> None:
    answer = Answer("GET")
    for message in messages[:-1]:
        answer.take(message)
    before = (answer.begun, answer.complete)
    with pytest.raises(MisbehavedError):
        answer.take(messages[-1])
    assert (answer.begun, answer.complete) == before


@pytest.mark.parametrize(
    "bad",
    [
        *(start(status=status) for status in (None, "200", 100, 101, 199, 600)),
        start((b"x-one", b"1\r\nSet-Cookie: a=b")),
        start((b"x-one", b"1\n")),
        start((b"x-one", b"\0")),
        start((b"x one", b"1")),
        start((b"", b"1")),
        start((b"x-one:", b"1")),
        start(("x-one", b"1")),  # type: ignore[arg-type]
        start((b"x-one", "1")),  # type: ignore[arg-type]
        *(sized(length) for length in (b"-1", b"+1", b"1 ", b"", b"0x1", b"\xb9")),
        start((LENGTH, b"1"), (LENGTH, b"2")),
    ],
)
def test_a_head_that_cannot_be_sent_is_refused_and_a_good_one_may_follow(bad: Any) -> None:
    answer = Answer("GET")
    with pytest.raises(MisbehavedError):
        answer.take(bad)
    assert answer.take(start(status=500)) is None
    assert answer.take(body()) == Part((500, []), b"", more=False)


@pytest.mark.parametrize("content", ["text", None, 7, [b"a"]])
def test_a_body_is_bytes(content: Any) -> None:
    answer = Answer("GET")
    answer.take(start())
    with pytest.raises(MisbehavedError, match="no bytes"):
        answer.take(body(content))
    assert not answer.begun


def test_headers_of_the_connection_are_not_the_applications() -> None:
    answer = Answer("GET")
    names = (b"Connection", b"Keep-Alive", b"Transfer-Encoding", b"Upgrade", b"Proxy-Connection")
    answer.take(start(*((name, b"x") for name in names), (b"Date", b"now")))
    assert answer.take(body()) == Part((200, [(b"date", b"now")]), b"", more=False)


@pytest.mark.parametrize("parts", [[b"12", b"345"], [b"12345", b""], [b"", b"12345"]])
def test_a_body_as_long_as_was_said_is_taken(parts: list[bytes]) -> None:
    answer = Answer("GET")
    answer.take(sized(b"5"))
    answer.take(body(parts[0], more=True))
    answer.take(body(parts[1]))
    assert answer.complete


@pytest.mark.parametrize("parts", [[b"1234"], [b"123456"], [b"12345", b"6"], [b"1", b"23"], [b""]])
def test_a_body_of_another_length_is_never_complete(parts: list[bytes]) -> None:
    answer = Answer("GET")
    answer.take(sized(b"5"))
    for part in parts[:-1]:
        answer.take(body(part, more=True))
    for last in (parts[-1], b"", b"5", b"2345"):
        with pytest.raises(MisbehavedError):
            answer.take(body(last))
    assert not answer.complete


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [("HEAD", 200, b"5"), ("GET", 304, b"5"), ("GET", 204, None), ("HEAD", 204, None)],
)
def test_an_answer_without_a_body_ends_with_its_head(
    method: str, status: int, length: bytes | None
) -> None:
    answer = Answer(method)
    answer.take(start((LENGTH, b"5"), status=status))
    part = answer.take(body(b"12", more=True))
    headers = [] if length is None else [(LENGTH, length)]
    assert part == Part((status, headers), b"", more=False)
    assert answer.complete
    assert answer.take(body(b"345", more=True)) is None
    assert answer.take(body()) is None
