"""Lists, a page at a time: every item once, and every question that is none refused."""

from typing import Any

import httpx2
import pytest

from tests.support.answers import fault_of, problem
from tests.support.servers import Server
from tests.support.talk import EVENTS, MESSAGES, get, note, post

JSON = {"Accept": "application/json"}
TOKENS = ("token", "access_token", "api_key", "apikey", "key", "secret")


async def ask(client: httpx2.AsyncClient, path: str, **query: Any) -> httpx2.Response:
    return await client.get(path, params=query, headers=JSON)


async def pages(client: httpx2.AsyncClient, path: str, **query: Any) -> list[list[Any]]:
    """Return the versions of each page, walked by the ``Link`` of the one before."""
    answer = await ask(client, path, **query)
    found = []
    while True:
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found.append([item["version"] for item in page["data"]])
        if page["next"] is None:
            assert "Link" not in answer.headers
            return found
        link = answer.links["next"]["url"]
        assert link is not None
        assert f"page={page['next']}" in link
        answer = await client.get(link, headers=JSON)


async def test_every_message_stands_on_one_page(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for number in range(7):
            await post(client, str(number))
        assert await pages(client, MESSAGES, limit=3) == [[2, 3, 4], [5, 6, 7], [8]]
        assert await pages(client, MESSAGES, limit=7) == [[2, 3, 4, 5, 6, 7, 8]]
        assert await pages(client, EVENTS, limit=4) == [[1, 2, 3, 4], [5, 6, 7, 8]]
        assert await pages(client, MESSAGES) == [[2, 3, 4, 5, 6, 7, 8]]


async def test_a_page_token_alone_leads_on(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for number in range(3):
            await post(client, str(number))
        first = await get(client, MESSAGES, limit=2)
        second = await get(client, MESSAGES, page=first["next"])
        assert [m["text"] for m in first["data"] + second["data"]] == ["0", "1", "2"]
        assert second["next"] is None


@pytest.mark.parametrize("form", ["version", "etag", "event_id", "cursor"])
async def test_messages_after_and_before_a_position_leave_it_out(server: Server, form: str) -> None:
    async with server.client(server.tenant.live) as client:
        written = [await post(client, str(number)) for number in range(4)]
        await post(client, "elsewhere", conversation="conv_124")
        names = [
            str({"etag": f'"{m["epoch"]}.{m["version"]}"'}.get(form, m.get(form))) for m in written
        ]
        for at, name in enumerate(names):
            after = await get(client, MESSAGES, after=name)
            before = await get(client, MESSAGES, before=name)
            assert after["data"] == written[at + 1 :]
            assert before["data"] == written[:at]
        between = await get(client, MESSAGES, after=names[0], before=names[3])
        assert between["data"] == written[1:3]


async def test_messages_before_and_after_a_time(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        written = [await post(client, str(number)) for number in range(3)]
        assert (await get(client, MESSAGES, after="now-1m"))["data"] == written
        assert (await get(client, MESSAGES, before="now-1m"))["data"] == []
        assert (await get(client, MESSAGES, before="2999-01-01T00:00:00Z"))["data"] == written
        assert (await get(client, MESSAGES, after="2999-01-01T00:00:00Z"))["data"] == []
        assert (await get(client, MESSAGES, after="0"))["data"] == written


async def test_pages_keep_to_their_bound(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        written = [await post(client, str(number)) for number in range(6)]
        end = str(written[4]["version"])
        assert await pages(client, MESSAGES, limit=2, before=end) == [[2, 3], [4, 5]]


async def test_a_thread_has_the_replies_to_one_message(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        first, second = [await post(client, text) for text in ("one", "two")]
        replies = []
        for number in range(3):
            replies.append(await post(client, f"1.{number}", parent_id=first["id"]))
            await post(client, f"2.{number}", parent_id=second["id"])
        assert (await get(client, MESSAGES, thread=first["id"]))["data"] == replies
        versions = [reply["version"] for reply in replies]
        assert await pages(client, MESSAGES, limit=2, thread=first["id"]) == [
            versions[:2],
            versions[2:],
        ]
        assert (await get(client, MESSAGES, thread="msg_nobody"))["data"] == []


async def test_a_page_token_is_good_for_its_own_query(server: Server) -> None:
    other = await server.new_tenant()
    second = await server.node.engine.create_key(server.tenant.workspace, "live", name="second")
    async with server.client(server.tenant.live) as client:
        for number in range(4):
            await post(client, str(number))
            await post(client, str(number), conversation="conv_124")
        token = (await get(client, MESSAGES, limit=1))["next"]
        for path, query in (
            ("/v1/conversations/conv_124/messages", {}),
            (EVENTS, {}),
            (MESSAGES, {"thread": "msg_x"}),
            (MESSAGES, {"before": "4"}),
        ):
            problem(await ask(client, path, page=token, **query), 400, "bad_cursor")
        changed = token[:-1] + ("A" if token[-1] != "A" else "Q")
        for bad in (changed, token[:-4], token + "AAAA", "x", "é", "cur_AAAA", " ", "%00"):
            problem(await ask(client, MESSAGES, page=bad), 400, "bad_cursor")
    for key in (other.live, second):
        async with server.client(key) as client:
            await post(client, "mine")
            problem(await ask(client, MESSAGES, page=token), 400, "bad_cursor")


QUESTIONS = (
    *("limit=0", "limit=201", "limit=-1", "limit=1e9", "limit=abc", "limit=1.5", "limit=%31%00"),
    *("limit=1&limit=1", "limit=1&limit=2", "after=1&after=1", "nonsense=1", "Limit=1"),
    *("after=" + "1" * 201, "page=" + "A" * 201, "limit=%ff", "limit=99999999999999999999999"),
    "&".join(f"a{number}=1" for number in range(40)),
    *(f"{name}=sk_live_x" for name in TOKENS),
)


@pytest.mark.parametrize("path", [MESSAGES, EVENTS])
async def test_a_question_that_is_none_is_refused(server: Server, path: str) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        for query in QUESTIONS:
            answer = await client.get(f"{path}?{query}", headers=JSON)
            assert fault_of(answer, {(422, "bad_parameter")}) is None, query
            assert "sk_live_x" not in answer.text


async def test_a_credential_in_the_url_opens_nothing(server: Server) -> None:
    key = server.tenant.live
    async with server.client() as nobody, server.client(key) as client:
        for name in TOKENS:
            query = {name: key}
            problem(await nobody.get(MESSAGES, params=query), 401, "unauthenticated")
            problem(await client.get(MESSAGES, params=query), 422, "bad_parameter")
            answer = await client.post(MESSAGES, params=query, json={"text": "Hello"})
            problem(answer, 422, "bad_parameter")
            assert key not in answer.text


@pytest.mark.parametrize("name", ["after", "before"])
async def test_a_position_that_is_none_is_refused(server: Server, name: str) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        for text, status, code in (
            ("3", 422, "bad_version"),
            ("999999999999999", 422, "bad_version"),
            ("-1", 422, "bad_position"),
            ("1.5", 422, "bad_position"),
            ("yesterday", 422, "bad_position"),
            ("2026-02-30T00:00:00Z", 422, "bad_position"),
            ("2026-01-01T00:00:00", 422, "bad_position"),
            ("evt_zzzzzzzzzzzzzzzzzzzzzzzzzz", 422, "bad_position"),
            ("evt_01jd1e2f3g4h5j6k7m8n9p0q1r", 422, "bad_position"),
            ("cur_AAAA", 400, "bad_cursor"),
        ):
            problem(await ask(client, MESSAGES, **{name: text}), status, code)


async def test_a_page_of_a_customer_says_nothing_of_notes(server: Server) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral()) as customer,
    ):
        await post(customer, "one")
        await note(staff)
        for path, limit in ((MESSAGES, 1), (EVENTS, 2)):
            assert (await get(customer, path, limit=limit))["next"] is None
        await post(customer, "two")
        await note(staff)
        assert await pages(customer, MESSAGES, limit=1) == [[2], [4]]
        assert await pages(customer, EVENTS, limit=1) == [[1], [2], [4]]
        assert await pages(staff, MESSAGES, limit=2) == [[2, 3], [4, 5]]
