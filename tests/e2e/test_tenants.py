"""Tenants, and the two environments of one tenant, never meet, though they use the same names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from gateway.api.contract import Route
from tests.support.answers import ROUTES, apart_from_the_request, good, path_of, problem
from tests.support.servers import Server
from tests.support.streams import following
from tests.support.talk import AGENT, CONVERSATION, EVENTS, MESSAGES, USER, get, post

NAMED = tuple(r for r in ROUTES if "{" in r.path and not (r.public or r.workspace))
PARTS = tuple(r for r in NAMED if "{message}" in r.path or "{id}" in r.path)
OF_ENVIRONMENTS = tuple(r for r in ROUTES if not r.public and not r.workspace)


@dataclass
class Side:
    """One side of the wall, with everything its clients have been given."""

    key: str
    mark: str
    client: httpx2.AsyncClient
    message: dict[str, Any] = field(default_factory=dict)
    reply: dict[str, Any] = field(default_factory=dict)
    """What staff has answered, who takes part by that."""
    events: list[dict[str, Any]] = field(default_factory=list)
    page: str = ""

    @property
    def parts(self) -> dict[str, str]:
        """What a path may name in the conversation of this side."""
        return {"message": self.reply["id"], **AGENT}


async def settled(side: Side) -> Side:
    """Write three messages under the names that everybody uses."""
    await post(side.client, f"{side.mark} 0", author=USER)
    side.reply = await post(side.client, f"{side.mark} 1", author=AGENT)
    side.message = await post(side.client, f"{side.mark} 2", author=USER)
    side.events = (await get(side.client, EVENTS))["data"]
    side.page = (await get(side.client, MESSAGES, limit=1))["next"]
    return side


@asynccontextmanager
async def two_sides(server: Server, wall: str) -> AsyncIterator[tuple[Side, Side]]:
    theirs = server.tenant.test if wall == "environments" else (await server.new_tenant()).live
    async with server.client(server.tenant.live) as ours, server.client(theirs) as others:
        yield (
            await settled(Side(server.tenant.live, "alpha", ours)),
            await settled(Side(theirs, "omega", others)),
        )


@pytest.fixture(params=["tenants", "environments"])
async def sides(request: pytest.FixtureRequest, server: Server) -> AsyncIterator[tuple[Side, Side]]:
    async with two_sides(server, request.param) as found:
        yield found


async def ask(side: Side, route: Route, name: str, **parts: str) -> httpx2.Response:
    body = good(route)
    if "expected_version" in body:
        body["expected_version"] = side.message.get("version", 0)
    return await side.client.request(
        route.method,
        path_of(route, name, **parts),
        json=body if route.body else None,
        headers={"Accept": route.produces[-1]},
    )


@pytest.mark.requirement("G19", "B36")
@pytest.mark.parametrize("route", NAMED, ids=lambda route: route.name)
async def test_an_id_of_others_is_answered_like_one_that_nobody_has(
    sides: tuple[Side, Side], route: Route
) -> None:
    ours, theirs = sides
    absent = "conv_01jd1e2f3g4h5j6k7m8n9p0q1r"
    theirs_only = await post(theirs.client, "omega", conversation="conv_theirs")
    expected = await ask(ours, route, absent)
    problem(expected, 404, "not_found")
    for name in (theirs.message["conversation_id"], theirs_only["conversation_id"]):
        for parts in ({}, theirs.parts):
            answer = await ask(ours, route, name, **parts)
            problem(answer, 404, "not_found")
            assert apart_from_the_request(answer) == apart_from_the_request(expected)
            assert answer.headers.keys() == expected.headers.keys()
    if not route.mutating:
        answer = await ask(ours, route, "conv_theirs")
        assert apart_from_the_request(answer) == apart_from_the_request(expected)
    assert len((await get(theirs.client, EVENTS))["data"]) == len(theirs.events)


@pytest.mark.parametrize("route", PARTS, ids=lambda route: route.name)
async def test_a_part_of_others_is_answered_like_one_that_nobody_has(
    sides: tuple[Side, Side], route: Route
) -> None:
    ours, theirs = sides
    guest = {"type": "user", "id": f"usr_of_{theirs.mark}"}
    answer = await theirs.client.post(CONVERSATION + "/participants", json=guest)
    assert answer.status_code == 200
    theirs_only = await post(theirs.client, "omega", conversation="conv_theirs", author=AGENT)
    expected = await ask(ours, route, "conv_123")
    problem(expected, 404, "not_found")
    for message in (theirs.reply, theirs.message, theirs_only):
        answer = await ask(ours, route, "conv_123", message=message["id"], **guest)
        assert apart_from_the_request(answer) == apart_from_the_request(expected)
        assert answer.headers.keys() == expected.headers.keys()


@pytest.mark.requirement("S101", "G19")
@pytest.mark.parametrize("route", NAMED, ids=lambda route: route.name)
async def test_the_same_name_means_ones_own(sides: tuple[Side, Side], route: Route) -> None:
    for side, other in (sides, sides[::-1]):
        answer = await ask(side, route, "conv_123", **side.parts)
        assert answer.status_code == route.status, answer.text
        for foreign in (
            other.mark,
            other.message["id"],
            other.message["conversation_id"],
            other.message["contact_id"],
            other.message["epoch"],
            other.message["cursor"],
        ):
            assert foreign not in answer.text


@pytest.mark.requirement("G19", "B27")
async def test_positions_of_others_are_none(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides
    event = theirs.events[0]
    doors = ((MESSAGES, "after"), (MESSAGES, "before"), (EVENTS, "after"))
    for path, parameter in doors:
        for value, refusal in (
            (event["cursor"], (400, "bad_cursor")),
            (event["id"], (422, "bad_position")),
        ):
            json = {"Accept": "application/json"}
            answer = await ours.client.get(path, params={parameter: value}, headers=json)
            problem(answer, *refusal)
            assert theirs.mark not in answer.text
    for value, refusal in (
        (event["cursor"], (400, "bad_cursor")),
        (event["id"], (422, "bad_position")),
    ):
        for query in ({"since": value}, {"last_event_id": value}):
            problem(await ours.client.get("/v1/events/stream", params=query), *refusal)
        header = {"Last-Event-ID": value}
        problem(await ours.client.get("/v1/events/stream", headers=header), *refusal)
        problem(await ours.client.get(EVENTS, headers=header), *refusal)
    named = {"conversation": theirs.message["conversation_id"]}
    problem(await ours.client.get("/v1/events/stream", params=named), 404, "not_found")


@pytest.mark.requirement("G19", "B27")
async def test_page_tokens_of_others_are_none(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides
    assert theirs.page
    for path in (MESSAGES, EVENTS):
        json = {"Accept": "application/json"}
        answer = await ours.client.get(path, params={"page": theirs.page}, headers=json)
        problem(answer, 400, "bad_cursor")
    assert (await get(theirs.client, MESSAGES, page=theirs.page))["data"] != []


@pytest.mark.requirement("G19")
async def test_etags_and_parents_of_others_are_none(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides
    tag = (await theirs.client.get(CONVERSATION)).headers["ETag"]
    assert (await ours.client.get(CONVERSATION, headers={"If-None-Match": tag})).status_code == 200
    answer = await ours.client.post(MESSAGES, json={"text": "a"}, headers={"If-Match": tag})
    problem(answer, 412, "version_conflict")
    assert theirs.mark not in answer.text
    reply = {"text": "a", "parent_id": theirs.message["id"]}
    problem(await ours.client.post(MESSAGES, json=reply), 422, "bad_parent")


@pytest.mark.requirement("G19")
async def test_a_stream_tells_of_ones_own_alone(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides
    async with following(ours.client, "/v1/events/stream", since="now-1h") as stream:
        seen = await stream.take(len(ours.events))
        await post(theirs.client, "omega, live", author=USER)
        last = await post(ours.client, "alpha, live", author=USER)
        seen += await stream.take(1)
    assert [event["data"]["id"] for event in seen][-1] == last["id"]
    assert seen[:-1] == ours.events
    assert {event["epoch"] for event in (ours.message, theirs.message)} > {last["epoch"]}


@pytest.mark.requirement("S101", "G19")
async def test_an_ephemeral_key_opens_its_own_environment_alone(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides
    grant = {"user_id": "usr_45", "scopes": ["conversation:read"], "ttl": 60}
    key = (await theirs.client.post("/v1/auth/ephemeral", json=grant)).json()["ephemeral_key"]
    bearer = {"Authorization": f"Bearer {key}"}
    answer = await ours.client.get(MESSAGES, headers=bearer)
    assert [m["text"] for m in answer.json()["data"]] == ["omega 0", "omega 1", "omega 2"]
    label, renamed = ("ek_live_", "ek_test_") if "ek_live_" in key else ("ek_test_", "ek_live_")
    bearer = {"Authorization": "Bearer " + key.replace(label, renamed)}
    problem(await ours.client.get(MESSAGES, headers=bearer), 401, "unauthenticated")


@pytest.mark.parametrize("route", OF_ENVIRONMENTS, ids=lambda route: route.name)
async def test_an_admin_key_is_told_to_use_another(server: Server, route: Route) -> None:
    async with server.client(server.tenant.admin) as client:
        side = Side(server.tenant.admin, "", client)
        document = problem(await ask(side, route, "conv_123"), 403, "forbidden")
        assert "sk_live_" in document["detail"]
