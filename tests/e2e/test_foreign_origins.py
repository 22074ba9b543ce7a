"""A page of another origin is allowed nothing: no answer says that it may be read there."""

import pytest

from gateway.api.contract import Route
from tests.support.answers import ROUTES, good, key_of, path_of
from tests.support.servers import Server
from tests.support.talk import post

ORIGINS = ("https://evil.example", "null", "http://127.0.0.1", "https://parley.evil.example")


@pytest.mark.requirement("B92")
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_foreign_origin_is_allowed_nothing(server: Server, route: Route) -> None:
    key = key_of(route, server.tenant)
    async with server.client() as browser, server.client(server.tenant.live) as client:
        await post(client)
        for origin in ORIGINS:
            asking = {
                "Origin": origin,
                "Cookie": f"token={key}; session={key}",
                "Access-Control-Request-Method": route.method,
                "Access-Control-Request-Headers": "authorization",
            }
            preflight = await browser.options(path_of(route), headers=asking)
            assert preflight.status_code == 405
            cookie = await browser.request(
                route.method, path_of(route), json=good(route) or None, headers=asking
            )
            assert (cookie.status_code == 401) == (not route.public)
            for answer in (preflight, cookie):
                allowed = [name for name in answer.headers if name.startswith("access-control-")]
                assert allowed == []
