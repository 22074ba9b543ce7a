"""Accept, query strings, page tokens and trace context."""

from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from engine import ids
from gateway.http import accept, paging, query, trace
from gateway.http.problem import HttpError, code_of

BOTH = ("application/json", "application/msgpack")
KEY = bytes(32)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("application/msgpack", "application/msgpack"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=0.1, application/msgpack", "application/msgpack"),
        ("APPLICATION/MSGPACK", "application/msgpack"),
    ],
)
def test_the_best_of_what_is_accepted_is_chosen(header: str | None, chosen: str) -> None:
    assert accept.choose(header, BOTH) == chosen


@pytest.mark.parametrize("header", ["text/html", "application/json;q=0", "x", "application/xml"])
def test_what_nobody_makes_is_not_acceptable(header: str) -> None:
    with pytest.raises(HttpError) as error:
        accept.choose(header, BOTH)
    assert code_of(error.value) == "not_acceptable"


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What these tests ask for."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: str | None = None


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("", Filters()),
        ("limit=3", Filters(3)),
        ("limit=3&after=now-1m", Filters(3, "now-1m")),
        ("after=", Filters()),
        ("after=a%20b", Filters(after="a b")),
        ("after=%22x.1%22", Filters(after='"x.1"')),
        ("after=%C3%A9", Filters(after="é")),
    ],
)
def test_parameters_are_read(text: str, filters: Filters) -> None:
    assert query.decode(text, Filters) == filters


@pytest.mark.parametrize(
    "text",
    [
        "limit=0",
        "limit=201",
        "limit=many",
        "limit=1.5",
        "limit=1&limit=2",
        "after=a&after=",
        "unknown=1",
        "token=x",
        "access_token=x",
        "after=%00",
        "after=%ff",
        "&".join(f"p{number}=1" for number in range(40)),
    ],
)
def test_bad_parameters_are_refused(text: str) -> None:
    with pytest.raises(HttpError) as error:
        query.decode(text, Filters)
    assert code_of(error.value) == "bad_parameter"


def test_the_parameter_that_is_wrong_is_named() -> None:
    with pytest.raises(HttpError) as error:
        query.decode("limit=0", Filters)
    assert [problem.field for problem in error.value.errors] == ["limit"]


def test_a_door_without_parameters_takes_none() -> None:
    assert query.decode("", query.Nothing) == query.Nothing()
    assert query.decode("", query.Nothing) is query.decode("", query.Nothing)
    with pytest.raises(HttpError):
        query.decode("x=1", query.Nothing)


def test_a_parameter_that_is_needed_is_missed_in_an_empty_query_too() -> None:
    class Needed(msgspec.Struct, frozen=True):
        limit: int

    for text in ("", "limit="):
        with pytest.raises(HttpError) as error:
            query.decode(text, Needed)
        assert code_of(error.value) == "bad_parameter"


@given(st.integers(0, 2**63), st.text(max_size=20))
def test_a_page_token_goes_on_where_it_was_made(after: int, text: str) -> None:
    assert paging.read(KEY, paging.make(KEY, query=text, after=after), query=text) == after


@pytest.mark.parametrize("query_text", ["", "GET /v1/x", "GET /v1/y?"])
def test_a_page_token_is_good_for_its_own_query_only(query_text: str) -> None:
    token = paging.make(KEY, query="GET /v1/y", after=7)
    with pytest.raises(HttpError) as error:
        paging.read(KEY, token, query=query_text)
    assert code_of(error.value) == "bad_cursor"


def test_a_page_token_of_another_environment_or_a_changed_one_is_refused() -> None:
    token = paging.make(KEY, query="q", after=7)
    others = [paging.make(bytes(31) + b"\1", query="q", after=7), "", "x", "é", token + "AAAA"]
    others += [token[:length] for length in range(len(token))]
    others += [
        token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        for at in range(len(token) - 1)
    ]
    for other in others:
        with pytest.raises(HttpError):
            paging.read(KEY, other, query="q")


GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (GOOD, True),
        (GOOD.upper(), False),
        ("ff" + GOOD[2:], False),
        ("00-" + "0" * 32 + "-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01", False),
        (GOOD + "\n", False),
        (GOOD + "-x", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_a_traceparent_is_carried_on_or_ignored(text: str, *, kept: bool) -> None:
    assert trace.traceparent_of({"traceparent": text}) == (text if kept else None)


def test_every_request_has_an_id_of_its_own() -> None:
    made = {trace.new_request_id() for _ in range(100)}
    assert len(made) == 100
    assert all(ids.uuid_of("req", one) for one in made)
