"""A key that is not quite the key opens nothing, and no key is ever told to anybody again."""

import string
from pathlib import Path

import httpx2
import pytest

from engine.auth import tokens
from gateway.api.contract import Route
from gateway.limits import HEADER_BYTES_MAX
from tests.support.answers import (
    ROUTES,
    apart_from_the_request,
    exchange,
    fault_of,
    path_of,
    problem,
)
from tests.support.processes import sandbox
from tests.support.servers import Server, ServerName
from tests.support.talk import CONVERSATION, MESSAGES, get, position, post
from tests.support.wire import handshake, wired

ALPHABET = string.ascii_letters + string.digits
PRIVATE = [route for route in ROUTES if not route.public]
LABELS = ("live", "test", "admin")


def relabelled(key: str, label: str) -> list[str]:
    """Return a key's body under another label: with its own checksum, and with a right one."""
    kind, _, body = key.split("_")
    plain = f"{kind}_{label}_{body}"
    head = plain[: -tokens.CHECKSUM_CHARACTERS]
    return [plain, head + tokens._checksum(head)]  # noqa: SLF001 - a forger knows it too


def one_off(key: str) -> list[str]:
    """Return the key with each one of its characters changed, left out and doubled."""
    found = []
    for at, character in enumerate(key):
        other = "b" if character == "a" else "a"
        found += [key[:at] + other + key[at + 1 :], key[:at] + key[at + 1 :]]
        found.append(key[:at] + character + key[at:])
    head = key[: -tokens.CHECKSUM_CHARACTERS]
    for at in range(len("sk_live_"), len(head)):
        other = "b" if head[at] == "a" else "a"
        changed = head[:at] + other + head[at + 1 :]
        found.append(changed + tokens._checksum(changed))  # noqa: SLF001 - only the hash tells
    return [text for text in found if text != key]


async def refused(client: httpx2.AsyncClient, text: str) -> httpx2.Response:
    answer = await client.get(CONVERSATION, headers={"Authorization": f"Bearer {text}"})
    problem(answer, 401, "unauthenticated")
    return answer


@pytest.mark.requirement("B79")
async def test_the_body_of_one_key_is_no_key_under_another_label(server: Server) -> None:
    keys = {"live": server.tenant.live, "test": server.tenant.test, "admin": server.tenant.admin}
    async with server.client() as nobody, server.client(server.tenant.live) as client:
        await post(client)
        absent = await refused(nobody, tokens.secret_key("live", bytes(32)))
        for own, key in keys.items():
            for label in set(LABELS) - {own}:
                for forged in relabelled(key, label):
                    answer = await refused(nobody, forged)
                    assert apart_from_the_request(answer) == apart_from_the_request(absent)
        key = await server.ephemeral()
        for forged in (
            key.replace("ek_live_", "ek_test_"),
            key.replace("ek_live_", "sk_live_"),
            server.tenant.live.replace("sk_", "ek_"),
            server.tenant.live.replace("sk_live_", ""),
            server.tenant.live.replace("sk_live_", "rk_live_"),
        ):
            await refused(nobody, forged)


@pytest.mark.requirement("B79")
async def test_a_key_one_character_off_is_refused_like_one_that_nobody_has(server: Server) -> None:
    async with server.client() as nobody, server.client(server.tenant.live) as client:
        await post(client)
        absent = await refused(nobody, tokens.secret_key("live", bytes(32)))
        for text in one_off(server.tenant.live):
            answer = await refused(nobody, text)
            assert apart_from_the_request(answer) == apart_from_the_request(absent), text
            assert answer.headers.keys() == absent.headers.keys()
            assert text not in answer.text


@pytest.mark.requirement("B79")
async def test_an_ephemeral_key_one_character_off_is_refused(server: Server) -> None:
    key = await server.ephemeral()
    said = tokens.ephemeral_parts(key)
    forged = [text for text in one_off(key) if tokens.ephemeral_parts(text) != said]
    assert len(forged) > len(key), "only the spare bits at its end say nothing"
    async with server.client() as nobody, server.client(server.tenant.live) as client:
        await post(client)
        for text in forged:
            await refused(nobody, text)


@pytest.mark.requirement("B79")
@pytest.mark.parametrize("route", PRIVATE, ids=lambda route: route.name)
async def test_a_header_that_holds_no_key_opens_no_route(server: Server, route: Route) -> None:
    live = server.tenant.live
    async with server.client(live) as client:
        await post(client)
        before = await position(server)
    start = f"{route.method} {path_of(route)} HTTP/1.1\r\nHost: parley\r\nContent-Length: 0\r\n"
    for value, allowed in (
        (live.encode() + b"\0", {400}),
        (b"\0" + live.encode(), {400}),
        (live.encode() + b"\0" + live.encode(), {400}),
        (live[:20].encode() + b"\0" + live[20:].encode(), {400}),
        (live.encode() + b"\xff", {401}),
        (live.encode() + b"\x7f", {400, 401}),
        (live.encode() + b" " + live.encode(), {401}),
        (live.encode() + b"A" * 1_000_000, {400, 431}),
        (b"A" * (HEADER_BYTES_MAX - 100), {401}),
        (b"A" * HEADER_BYTES_MAX, {431 if server.name == "front_door" else 401}),
    ):
        head = start.encode() + b"Authorization: Bearer " + value + b"\r\n\r\n"
        answer = await exchange(server.url, head)
        assert answer.status_code in allowed, (value[:80], answer)
        assert live not in answer.text
        if answer.status_code == 401:
            assert fault_of(answer, {(401, "unauthenticated")}) is None
    assert await position(server) == before


@pytest.mark.requirement("B79")
async def test_no_header_of_a_handshake_but_a_key_opens_the_socket(server: Server) -> None:
    live = server.tenant.live.encode()
    for line in (
        b"Authorization: Bearer " + live + b"\0",
        b"Authorization: Bearer " + live[:-1],
        b"Authorization: Bearer " + live + b"A" * 1_000_000,
        b"Authorization: Bearer " + live.replace(b"sk_live", b"sk_test"),
    ):
        async with wired(server.url) as wire:
            await wire.send(handshake(line))
            answer = await wire.until(b"\r\n\r\n")
            assert answer.split()[1] in {b"400", b"401", b"431"}, answer
            assert live not in answer + await wire.heard()


async def test_no_key_stands_in_an_answer_or_in_the_log(
    tmp_path: Path, server_name: ServerName
) -> None:
    """A process of its own, with all that it says at its most talkative."""
    options = ("--log-level", "debug", "--server", server_name)
    async with sandbox(tmp_path, *options) as server:
        live, test, admin = (server.ready[f"{name}_key"] for name in ("live", "secret", "admin"))
        said: list[str] = []
        async with server.client(test) as client:
            await post(client)
            grant = {"user_id": "acct_1", "scopes": ["conversation:read"], "ttl": 60}
            made = (await client.post("/v1/auth/ephemeral", json=grant)).json()["ephemeral_key"]
            keys = [live, test, admin, made]
            for key in keys:
                bodies = [{"text": key, "type": key}, {"text": 1, "idempotency_key": key + "\n"}]
                for answer in (
                    await client.get(CONVERSATION, params={"token": key}),
                    await client.get(CONVERSATION, params={key: "1"}),
                    await client.get(MESSAGES, params={"after": key}),
                    await client.get(CONVERSATION, headers={"Authorization": f"Bearer {key}x"}),
                    await client.get(CONVERSATION, headers={"Authorization": f"Basic {key}"}),
                    *[await client.post(MESSAGES, json=body) for body in bodies],
                ):
                    assert answer.status_code in {401, 404, 422, 400}, answer
                    said.append(answer.text)
                problem(await client.get(f"/v1/{key}"), 404, "not_found")
            assert (await get(client, "/healthz"))["status"] == "ok"
        assert await server.program.stop() == 0
        said.append(server.program.stderr)
    assert '"request"' in said[-1], "the log says what was asked"
    for text in said:
        for key in keys:
            assert key not in text
            assert key.removeprefix("sk_")[5:] not in text
