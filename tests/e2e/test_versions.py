"""Versions as ETags, as preconditions and as the story of what was missed."""

from typing import Any

import httpx2
import pytest

from engine.limits import MISSED_EVENTS_MAX
from tests.support.answers import apart_from_the_request, fault_of, problem
from tests.support.servers import Server
from tests.support.talk import CONVERSATION, EVENTS, MESSAGES, USER, get, note, position, post


async def send(client: httpx2.AsyncClient, if_match: str) -> httpx2.Response:
    body = {"text": "Only if nothing happened"}
    return await client.post(MESSAGES, json=body, headers={"If-Match": if_match})


def missed(answer: httpx2.Response) -> list[int]:
    document = problem(answer, 412, "version_conflict")
    return [event["version"] for event in document["missed"]]


@pytest.mark.requirement("S49")
async def test_what_is_known_already_is_not_sent_again(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        for path in (CONVERSATION, MESSAGES):
            tag = (await client.get(path)).headers["ETag"]
            for known in (tag, f"W/{tag}", f'"other.1", {tag}', "*"):
                answer = await client.get(path, headers={"If-None-Match": known})
                assert (answer.status_code, answer.content) == (304, b""), (path, known)
                assert answer.headers["ETag"] == tag
            for unknown in ('"aaaaaaaa.2"', tag[:-2] + '0"', "x", ""):
                answer = await client.get(path, headers={"If-None-Match": unknown})
                assert answer.status_code == 200, (path, unknown)
            await post(client, "something new")
            answer = await client.get(path, headers={"If-None-Match": tag})
            assert answer.status_code == 200
            assert answer.headers["ETag"] != tag


async def test_the_etag_of_a_customer_does_not_move_with_a_note(server: Server) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral()) as customer,
    ):
        await post(customer)
        tag = (await customer.get(CONVERSATION)).headers["ETag"]
        await note(staff)
        known = {"If-None-Match": tag}
        assert (await customer.get(CONVERSATION, headers=known)).status_code == 304
        assert (await staff.get(CONVERSATION, headers=known)).status_code == 200


@pytest.mark.requirement("S49", "G4", "B33")
async def test_if_match_lets_pass_the_present_version_alone(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        epoch = (await post(client))["epoch"]
        for form in (f'"{epoch}.2"', '"3"', "4", "5", "*"):
            assert (await send(client, form)).status_code == 201, form
        for stale in (f'"{epoch}.2"', '"2"', "2"):
            answer = await send(client, stale)
            assert problem(answer, 412, "version_conflict")["current_version"] == 7
            assert missed(answer) == [3, 4, 5, 6, 7]
        assert problem(await send(client, '"0"'), 412, "version_conflict")["missed"] != []
        assert missed(await send(client, '"8"')) == []


@pytest.mark.requirement("F4")
async def test_what_was_missed_are_the_events_themselves(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        await post(client, "two")
        document = problem(await send(client, "1"), 412, "version_conflict")
        assert document["missed"] == (await get(client, EVENTS))["data"][1:]
        assert "missed_next" not in document


@pytest.mark.requirement("F4")
async def test_more_than_a_hundred_missed_events_end_in_a_link(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for number in range(MISSED_EVENTS_MAX + 4):
            await post(client, str(number))
        document = problem(await send(client, "2"), 412, "version_conflict")
        versions = [event["version"] for event in document["missed"]]
        assert versions == list(range(3, MISSED_EVENTS_MAX + 3))
        rest = await get(client, document["missed_next"])
        versions += [event["version"] for event in rest["data"]]
        assert versions == list(range(3, document["current_version"] + 1))


async def test_exactly_a_hundred_missed_events_need_no_link(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for number in range(MISSED_EVENTS_MAX + 1):
            await post(client, str(number))
        document = problem(await send(client, "2"), 412, "version_conflict")
        assert len(document["missed"]) == MISSED_EVENTS_MAX
        assert "missed_next" not in document


@pytest.mark.requirement("F4")
async def test_a_customer_misses_no_note(server: Server) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral()) as customer,
    ):
        epoch = (await post(customer))["epoch"]
        await note(staff, "a secret among us")
        current = f'"{epoch}.2"'
        assert (await send(customer, current)).status_code == 201
        await note(staff)
        stale = await send(customer, current)
        assert missed(stale) == [4]
        assert stale.json()["missed"][0]["previous"] == 2
        assert stale.json()["current_version"] == 4
        assert "a secret" not in stale.text
        assert missed(await send(staff, current)) == [3, 4, 5]
        assert missed(await send(staff, '"4"')) == [5]


@pytest.mark.requirement("B35")
@pytest.mark.parametrize("form", ['"aaaaaaaa.2"', "aaaaaaaa.2", '"aaaaaaaa.1000"', '"aaaaaaaa.0"'])
async def test_an_etag_of_another_epoch_never_matches(server: Server, form: str) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        document = problem(await send(client, form), 412, "version_conflict")
        assert document["current_version"] == 2
        assert len((await get(client, EVENTS))["data"]) == 2


async def test_an_etag_of_another_epoch_opens_no_door(server: Server) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral("acct_other")) as stranger,
    ):
        await post(staff, "not for strangers")
        for form in ('"aaaaaaaa.0"', '"0"', '"2"'):
            answer = await send(stranger, form)
            problem(answer, 404, "not_found")
            absent = await stranger.get("/v1/conversations/conv_absent")
            assert apart_from_the_request(answer) == apart_from_the_request(absent)


BAD_FORMS = (
    *("x", "-1", "1.5", '"', '""', "W/2", "1 2", "evt_1", "now", "2026-01-01T00:00:00Z", "9" * 16),
    *('"AAAAAAAA.2"', '"aaaaaaaa.-2"', "aaaaaaaaa.2", "cur_AAAA", '"2", "3"'),
)


@pytest.mark.requirement("B35")
async def test_an_if_match_that_is_none_is_refused(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        for form in BAD_FORMS:
            allowed = {(422, "bad_position"), (422, "out_of_range"), (400, "bad_cursor")}
            assert fault_of(await send(client, form), allowed) is None, form
        assert await position(server) == 2


async def test_expected_version_of_staff_fails_at_anything_new(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client, author=USER)
        await post(client, expected_version=2)
        await note(client)
        for stale, since in ((0, [1, 2, 3, 4]), (2, [3, 4]), (3, [4])):
            body = {"text": "Hello", "expected_version": stale}
            answer = await client.post(MESSAGES, json=body)
            assert missed(answer) == since
            assert answer.json()["current_version"] == 4
        await post(client, expected_version=4)


async def test_expected_version_of_a_customer_looks_past_notes(server: Server) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral()) as customer,
    ):
        await post(customer)
        await note(staff)
        await note(staff)
        assert (await post(customer, expected_version=2))["version"] == 5
        await note(staff)
        body: dict[str, Any] = {"text": "Hello", "expected_version": 4}
        assert missed(await customer.post(MESSAGES, json=body)) == [5]
        for never_seen in (6, 7):
            body = {"text": "Hello", "expected_version": never_seen}
            answer = await customer.post(MESSAGES, json=body)
            document = problem(answer, 422, "bad_version")
            assert document["current_version"] == 5


@pytest.mark.requirement("B35")
async def test_an_expected_version_that_is_none_is_refused(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        for value in (-1, 1.5, "2", True, [2], 2**53 + 1, 2**63):
            answer = await client.post(MESSAGES, json={"text": "a", "expected_version": value})
            assert answer.json()["code"] in {"wrong_type", "out_of_range"}, value
            assert answer.status_code == 422
        ahead = await client.post(MESSAGES, json={"text": "a", "expected_version": 3})
        assert problem(ahead, 422, "bad_version")["current_version"] == 2
        assert await position(server) == 2


async def test_a_version_of_zero_means_that_there_is_no_conversation_yet(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        assert (await post(client, expected_version=0))["version"] == 2
        answer = await client.post(MESSAGES, json={"text": "a", "expected_version": 0})
        assert missed(answer) == [1, 2]
