"""From a method and a raw path to a route."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.auth.scopes import ENVIRONMENT_SCOPES, WORKSPACE_SCOPES
from engine.engine import Engine
from engine.errors import NotFoundError
from gateway.api import APIS
from gateway.api.contract import Api, Request, Response, Route
from gateway.http.problem import MethodNotAllowedError, status_of
from gateway.routing import PATH_CHARACTERS_MAX, RouteTable


async def nothing(_: Engine, __: Request) -> Response:
    return Response(200, b"")


def route(method: str, path: str) -> Route:
    return Route(method=method, path=path, name=path, summary="", handler=nothing, public=True)


def table(*routes: Route) -> RouteTable:
    return RouteTable([Api(name="api", summary="", routes=routes)])


TABLE = table(
    route("GET", "/"),
    route("GET", "/v1/things/{thing}"),
    route("DELETE", "/v1/things/{thing}"),
    route("GET", "/v1/things/newest"),
    route("POST", "/v1/things/{thing}/parts"),
    route("GET", "/v1/things/{thing}/parts/{part}"),
)


@pytest.mark.parametrize(
    ("method", "path", "found", "parameters"),
    [
        ("GET", "/", "/", {}),
        ("GET", "/v1/things/a", "/v1/things/{thing}", {"thing": "a"}),
        ("DELETE", "/v1/things/a", "/v1/things/{thing}", {"thing": "a"}),
        ("GET", "/v1/things/newest", "/v1/things/newest", {}),
        ("GET", "/v1/things/a%20b", "/v1/things/{thing}", {"thing": "a b"}),
        ("GET", "/v1/things/%C3%A9", "/v1/things/{thing}", {"thing": "é"}),
        ("GET", "/v1/things/a%3Fb%23c", "/v1/things/{thing}", {"thing": "a?b#c"}),
        ("GET", "/v1/things/a+b", "/v1/things/{thing}", {"thing": "a+b"}),
        ("GET", "/v1/things/a%252Fb", "/v1/things/{thing}", {"thing": "a%2Fb"}),
        ("GET", "/v1/th%69ngs/a", "/v1/things/{thing}", {"thing": "a"}),
        ("POST", "/v1/things/a/parts", "/v1/things/{thing}/parts", {"thing": "a"}),
        (
            "GET",
            "/v1/things/a/parts/b",
            "/v1/things/{thing}/parts/{part}",
            {"thing": "a", "part": "b"},
        ),
        ("GET", "/v1/things/...", "/v1/things/{thing}", {"thing": "..."}),
    ],
)
def test_a_path_finds_its_route(
    method: str, path: str, found: str, parameters: dict[str, str]
) -> None:
    matched, named = TABLE.find(method, path)
    assert (matched.path, named) == (found, parameters)
    assert TABLE.has(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//",
        "/v1",
        "/v1/things",
        "/v1/things/",
        "/v1//things/a",
        "/v1/things/a/",
        "/V1/things/a",
        "/v1/things/a%2Fb",
        "/v1/things%2Fa",
        "/v1/things/a%2fparts",
        "/v1/things/.",
        "/v1/things/..",
        "/v1/things/%2e%2e",
        "/v1/things/%2E",
        "/v1/things/%00",
        "/v1/things/a%0Ab",
        "/v1/things/%7f",
        "/v1/things/%ff",
        "/v1/things/%C3",
        "/v1/things/%ED%A0%80",
        "/v1/things/a?x=1/b/c/d",
        "/v1/things/" + "a" * PATH_CHARACTERS_MAX,
    ],
)
def test_what_is_not_plainly_one_path_is_none(path: str) -> None:
    if path == "":
        assert TABLE.find("GET", path)[0].path == "/"
        return
    with pytest.raises(NotFoundError):
        TABLE.find("GET", path)
    assert not TABLE.has(path)


def test_another_method_is_told_which_ones_there_are() -> None:
    for method in ("POST", "", "get", "OPTIONS"):
        with pytest.raises(MethodNotAllowedError) as error:
            TABLE.find(method, "/v1/things/a")
        assert error.value.allow == "DELETE, GET, HEAD"
        assert status_of(error.value) == 405


def test_the_path_with_fewer_variables_is_found_first() -> None:
    for routes in (
        [route("GET", "/{a}/{b}"), route("GET", "/x/{b}"), route("GET", "/x/y")],
        [route("GET", "/x/y"), route("GET", "/x/{b}"), route("GET", "/{a}/{b}")],
    ):
        made = table(*routes)
        assert made.find("GET", "/x/y")[0].path == "/x/y"
        assert made.find("GET", "/x/z")[0].path == "/x/{b}"
        assert made.find("GET", "/z/z")[0].path == "/{a}/{b}"


def test_two_routes_of_one_method_and_path_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two routes"):
        table(route("GET", "/x"), route("GET", "/x"))


def test_one_path_has_one_name_for_each_of_its_variables() -> None:
    with pytest.raises(ValueError, match=r"/things/\{id\}"):
        table(route("GET", "/things/{thing}"), route("DELETE", "/things/{id}"))


@given(st.text(max_size=40))
def test_no_path_is_a_failure(text: str) -> None:
    for path in (text, "/" + text, "/v1/things/" + text):
        assert TABLE.has(path) in {True, False}


ROUTES = RouteTable(APIS).routes


@pytest.mark.parametrize("one", ROUTES, ids=lambda one: one.name)
def test_every_route_has_scopes_or_is_public(one: Route) -> None:
    assert bool(one.scopes) != one.public


@pytest.mark.parametrize("one", ROUTES, ids=lambda one: one.name)
def test_every_route_wants_scopes_that_a_key_for_it_can_have(one: Route) -> None:
    assert set(one.scopes) <= (WORKSPACE_SCOPES if one.workspace else ENVIRONMENT_SCOPES)


@pytest.mark.parametrize("one", ROUTES, ids=lambda one: one.name)
def test_every_route_says_what_it_takes_and_gives(one: Route) -> None:
    assert one.query.__struct_config__.frozen, "one value is given to many requests"
    assert one.summary
    assert one.response is not None
    assert one.path.startswith("/")
    assert one.mutating == (one.body is not None or one.method == "DELETE")


def test_every_route_has_a_name_of_its_own() -> None:
    names = [one.name for one in ROUTES]
    assert sorted(names) == sorted(set(names))
