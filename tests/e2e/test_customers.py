"""What a client's key may do: write as whom, see which conversations, and never a private note."""

import re
from typing import Any

import httpx2
import pytest

from engine.auth import tokens
from gateway.api.contract import Route
from tests.support.answers import ROUTES, apart_from_the_request, fault_of, path_of, problem
from tests.support.servers import Server
from tests.support.streams import NDJSON, SSE, following
from tests.support.talk import CONVERSATION, EVENTS, MESSAGES, USER, get, note, post

EPHEMERAL = "/v1/auth/ephemeral"
GRANT: dict[str, Any] = {
    "user_id": "acct_123",
    "scopes": ["conversation:read", "conversation:write"],
    "ttl": 600,
}
PRIVATE = tuple(route for route in ROUTES if not route.public)
FEED = "/v1/events/stream"
ALL = ("conversation:read", "conversation:write", "events:read")


@pytest.mark.requirement("S13")
async def test_an_ephemeral_key_is_made_as_it_is_written(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        answer = await client.post(EPHEMERAL, json=GRANT)
    assert answer.status_code == 201
    made = answer.json()
    assert made.keys() == {"ephemeral_key", "expires_at"}
    assert re.fullmatch(r"ek_live_[0-9A-Za-z_-]+", made["ephemeral_key"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", made["expires_at"])
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.requirement("S7", "B78")
async def test_a_lifetime_outside_of_its_bounds_is_refused(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for ttl in (29, 901, 0, -1, "600", 1e9, 600.5, True, None, [600], 2**63):
            answer = await client.post(EPHEMERAL, json=GRANT | {"ttl": ttl})
            allowed = {(422, "out_of_range"), (422, "wrong_type")}
            assert fault_of(answer, allowed) is None, ttl
        for good in (30, 900):
            answer = await client.post(EPHEMERAL, json=GRANT | {"ttl": good})
            assert answer.status_code == 201


@pytest.mark.requirement("B78")
async def test_a_scope_that_cannot_be_handed_on_is_refused(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for scopes in (
            ["conversation:delete"],
            ["*"],
            ["conversation:*"],
            ["auth:write"],
            ["admin:read"],
            ["conversation:read", "auth:write"],
            ["conversation:read", "Conversation:Read"],
            ["conversation:read "],
        ):
            answer = await client.post(EPHEMERAL, json=GRANT | {"scopes": scopes})
            assert problem(answer, 422, "bad_scope")["errors"]
        empty = await client.post(EPHEMERAL, json=GRANT | {"scopes": []})
        problem(empty, 422, "out_of_range")


async def narrow_key(server: Server, *scopes: str) -> str:
    """Return a secret key with these scopes alone."""
    home = await server.node.engine.environment(server.tenant.workspace, "workspace")
    return await home.keys.create(
        name="narrow", environment="live", scopes=frozenset(scopes), entropy=b"n" * 32
    )


@pytest.mark.requirement("S92", "B78")
async def test_no_key_hands_on_what_it_does_not_have(server: Server) -> None:
    narrow = await narrow_key(server, "auth:write", "conversation:read")
    async with server.client(narrow) as client:
        problem(await client.post(EPHEMERAL, json=GRANT), 422, "bad_scope")
        read = GRANT | {"scopes": ["conversation:read"]}
        assert (await client.post(EPHEMERAL, json=read)).status_code == 201


async def test_an_ephemeral_key_makes_no_other(server: Server) -> None:
    async with server.client(await server.ephemeral()) as client:
        answer = await client.post(EPHEMERAL, json=GRANT)
        assert problem(answer, 403, "missing_scope")["required_scopes"] == ["auth:write"]


@pytest.mark.requirement("S92")
@pytest.mark.parametrize("route", PRIVATE, ids=lambda route: route.name)
async def test_a_key_without_the_scope_is_told_which_it_needs(server: Server, route: Route) -> None:
    narrow = await narrow_key(server, "billing:read")
    ephemeral = await server.ephemeral("usr_45", scopes=("analytics:read",))
    for key in (narrow, ephemeral):
        async with server.client(key) as client:
            answer = await client.request(route.method, path_of(route))
            document = problem(answer, 403, "missing_scope")
            assert document["required_scopes"] == list(route.scopes)


async def test_a_credential_that_is_none_opens_nothing(server: Server) -> None:
    live = server.tenant.live
    typo = live[:-1] + ("a" if live[-1] != "a" else "b")
    forged = tokens.secret_key("live", b"f" * 32)
    key = await server.ephemeral()
    async with server.client(live) as client:
        await post(client)
    schemes = [None, "", "Bearer", live, f"Basic {live}", f"Token {live}"]
    bearers = [
        *(typo, forged, live + "a", live[:-1], live.lower(), "x", "sk_live_", "ek_live_é"),
        *(key[:-1], key + "A", key[:-4] + "AAAA", key.replace("ek_live", "ek_test")),
        *("ek_live_", f"{live}, {live}", "ek_live_" + "A" * 64),
        *(live.replace("sk_live", "sk_test"), live.replace("sk_live", "sk_admin"), "A" * 4_097),
        *("eyJhbGciOiJub25lIn0.e30.", "null", "undefined", "Bearer " + live),
    ]
    async with server.client() as client:
        for text in (*schemes, *(f"Bearer {bearer}" for bearer in bearers)):
            value = [] if text is None else [(b"Authorization", text.encode("latin-1"))]
            answer = await client.get(CONVERSATION, headers=value)
            problem(answer, 401, "unauthenticated")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert live not in answer.text
        lower = {"Authorization": f"bearer {live}"}
        assert (await client.get(CONVERSATION, headers=lower)).status_code == 200


async def test_an_expired_key_opens_nothing(server: Server) -> None:
    environment = await server.node.engine.environment(server.tenant.workspace, "live")
    key = await server.ephemeral("usr_45", ttl=30)
    async with server.client(key) as client:
        await post(client)
        environment.clock.advance_to(environment.clock.now_ms() + 31_000)
        for answer in (await client.get(CONVERSATION), await client.post(MESSAGES, json={})):
            assert "expired" in problem(answer, 401, "unauthenticated")["detail"]
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.requirement("B38")
@pytest.mark.parametrize(
    ("subject", "author", "allowed"),
    [
        ("acct_123", {"type": "user", "id": "usr_45"}, True),
        ("acct_123", {"type": "user", "id": "acct_123"}, True),
        ("acct_123", {"type": "user", "id": "acct_other"}, False),
        ("acct_123", {"type": "agent", "id": "usr_45"}, False),
        ("acct_123", {"type": "bot", "id": "acct_123"}, False),
        ("acct_123", {"type": "system", "id": "acct_123"}, False),
        ("acct_123", {"type": "user", "id": "usr_of_other"}, False),
        ("usr_45", {"type": "user", "id": "usr_45"}, True),
        ("usr_45", {"type": "user", "id": "usr_46"}, False),
        ("usr_45", {"type": "user", "id": "acct_123"}, False),
        ("usr_45", {"type": "agent", "id": "usr_45"}, False),
        ("usr_45", {"type": "user", "id": "USR_45"}, False),
        ("usr_45", {"type": "user", "id": "usr_45 "}, False),
    ],
)
async def test_a_key_writes_as_those_it_stands_for(
    server: Server,
    subject: str,
    author: dict[str, str],
    allowed: bool,  # noqa: FBT001
) -> None:
    async with server.client(await server.ephemeral("acct_other")) as other:
        owned = {"type": "user", "id": "usr_of_other"}
        await post(other, author=owned, conversation="conv_of_other")
    async with server.client(await server.ephemeral(subject)) as client:
        answer = await client.post(MESSAGES, json={"text": "Hello", "author": author})
        if allowed:
            assert answer.json()["author"] == author
        else:
            problem(answer, 403, "author_mismatch")
            absent = await client.get(CONVERSATION)
            problem(absent, 404, "not_found")


async def test_without_an_author_the_subject_writes(server: Server) -> None:
    for subject in ("acct_123", "usr_45"):
        async with server.client(await server.ephemeral(subject)) as client:
            written = await post(client, conversation=f"conv_{subject}")
            assert written["author"] == {"type": "user", "id": subject}
    async with server.client(server.tenant.live) as client:
        for author in (USER, {"type": "agent", "id": "a"}, {"type": "bot", "id": "b"}):
            assert (await post(client, author=author))["author"] == author
        assert (await post(client))["author"]["type"] == "system"


async def sees(client: httpx2.AsyncClient) -> bool:
    """Say whether the conversation is there, which every door must answer alike."""
    json = {"Accept": "application/json"}
    answers = [
        await client.get(CONVERSATION),
        await client.get(MESSAGES),
        await client.get(EVENTS, headers=json),
        await client.get(EVENTS, params={"page": "x"}, headers=json),
    ]
    hidden = [answer.status_code == 404 for answer in answers]
    if any(hidden):
        answers.append(await client.get(EVENTS))
        answers.append(await client.get(FEED, params={"conversation": "conv_123"}))
        answers.append(await client.post(MESSAGES, json={"text": "let me in"}))
        absent = await client.get("/v1/conversations/conv_absent")
        assert {str(apart_from_the_request(answer)) for answer in answers} == {
            str(apart_from_the_request(absent))
        }
    return not any(hidden)


async def test_a_customer_sees_what_it_takes_part_in(server: Server) -> None:
    subjects = ("acct_123", "usr_45", "acct_other", "usr_46")
    keys = {name: await server.ephemeral(name, scopes=ALL) for name in subjects}
    async with server.client(keys["acct_123"]) as client:
        await post(client, author=USER)
    for subject, visible in (
        ("acct_123", True),
        ("usr_45", True),
        ("acct_other", False),
        ("usr_46", False),
    ):
        async with server.client(keys[subject]) as client:
            assert await sees(client) is visible, subject
    async with server.client(server.tenant.live) as staff:
        await post(staff, "they speak for another", author={"type": "user", "id": "usr_46"})
    async with server.client(keys["usr_46"]) as client:
        assert await sees(client)


async def test_a_narrowed_key_has_the_named_conversations_alone(server: Server) -> None:
    async with server.client(await server.ephemeral("usr_45")) as client:
        id_ = (await post(client))["conversation_id"]
        await post(client, conversation="conv_124")
    for names in (["conv_123"], [id_]):
        narrowed = await server.ephemeral("usr_45", scopes=ALL, conversations=names)
        async with server.client(narrowed) as client:
            assert await sees(client)
            for path in ("/v1/conversations/conv_124", "/v1/conversations/conv_new"):
                problem(await client.get(path), 404, "not_found")
                body = {"text": "Hello"}
                problem(await client.post(path + "/messages", json=body), 404, "not_found")
            query = {"conversation": "conv_124"}
            problem(await client.get(FEED, params=query), 404, "not_found")
    async with server.client(server.tenant.live) as client:
        for bad in ([], ["conv_1"] * 17, "conv_1", [""], ["a" * 129]):
            answer = await client.post(EPHEMERAL, json=GRANT | {"conversations": bad})
            assert answer.status_code == 422, bad


async def test_a_private_note_is_behind_no_door_of_a_customer(server: Server) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral(scopes=ALL)) as customer,
    ):
        await post(customer, "help")
        hidden = await note(staff, "SECRET note")
        reply = {"visibility": "note", "parent_id": hidden["id"]}
        await post(staff, "SECRET reply", author={"type": "agent", "id": "SECRET_agent"}, **reply)
        await post(staff, "an answer", author={"type": "agent", "id": "agt_2"})
        answers = [
            await customer.get(CONVERSATION),
            await customer.get(MESSAGES),
            await customer.get(MESSAGES, params={"after": "2"}),
            await customer.get(MESSAGES, params={"thread": hidden["id"]}),
            await customer.get(EVENTS, headers={"Accept": "application/json"}),
            await customer.post(MESSAGES, json={"text": "a"}, headers={"If-Match": '"1"'}),
            await customer.post(MESSAGES, json={"text": "a", "expected_version": 1}),
        ]
        for answer in answers:
            assert "SECRET" not in answer.text
            assert hidden["id"] not in answer.text
        assert answers[0].json()["version"] == 5
        assert [author["id"] for author in answers[0].json()["participants"]] == [
            "acct_123",
            "agt_2",
        ]
        assert answers[3].json()["data"] == []
        child = {"text": "a", "parent_id": hidden["id"]}
        problem(await customer.post(MESSAGES, json=child), 422, "bad_parent")
        problem(await staff.post(MESSAGES, json=child), 422, "bad_parent")
        secret = {"text": "a", "visibility": "note"}
        problem(await customer.post(MESSAGES, json=secret), 403, "forbidden")


async def test_the_chain_of_a_customer_has_no_gap_at_any_door(server: Server) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral(scopes=ALL)) as customer,
    ):
        await post(customer, "one")
        await note(staff)
        await note(staff)
        await post(staff, "two")
        await note(staff)
        page = (await get(customer, EVENTS))["data"]
        assert [(e["previous"], e["version"]) for e in page] == [(0, 1), (1, 2), (2, 5)]
        doors: tuple[tuple[str, dict[str, str]], ...] = (
            (EVENTS, {"after": "0"}),
            (FEED, {"conversation": "conv_123", "since": "0"}),
        )
        for path, query in doors:
            for accept in (NDJSON, SSE):
                async with following(customer, path, accept, **query) as stream:
                    assert await stream.take(3) == page
        everything = (await get(staff, EVENTS))["data"]
        assert [event["previous"] for event in everything] == [0, 1, 2, 3, 4, 5]
