"""What the realtime door answers to rights that change, long answers, failures and odd messages."""

from http import HTTPStatus

import pytest

from engine import ids
from gateway.api import APIS
from gateway.api.contract import Api, Request, Response, Route
from gateway.callers import Caller
from gateway.limits import OUTBOUND_ANSWER_BYTES_MAX, OUTBOUND_BYTES_MAX, PAGE_BYTES_MAX
from gateway.routing import RouteTable
from tests.support.answers import problem
from tests.support.realtime import JSON, MSGPACK, Talk, dialing, talking
from tests.support.servers import Server
from tests.support.talk import USER, post

pytestmark = pytest.mark.usefixtures("speech")

ACCOUNT = {"type": "user", "id": "acct_123"}
TEXT_BYTES = 19_000
MESSAGES = 120


async def told_nothing(talk: Talk) -> bool:
    """Say whether nothing came before the answer to a ping sent now."""
    await talk.say("ping", ref="all")
    return (await talk.hear()).get("ref") == "all"


async def test_typing_is_passed_on_for_oneself_and_for_the_users_one_has(server: Server) -> None:
    key = await server.ephemeral("acct_123")
    async with server.client(await server.ephemeral("acct_other")) as other:
        theirs = {"type": "user", "id": "usr_theirs"}
        await post(other, author=theirs, conversation="conv_theirs")
    async with (
        talking(server.realtime_url, key) as talk,
        talking(server.realtime_url, server.tenant.live) as staff,
    ):
        await talk.post("conv_123", "Hello", author=USER)
        await staff.asked("subscribe", conversation="conv_123")
        nobody = {"type": "user", "id": "usr_nobody"}
        for author in (theirs, nobody, {"type": "agent", "id": "agt_1"}):
            refused = await talk.refused(
                "typing", conversation="conv_123", state="start", author=author
            )
            assert refused["code"] == "author_mismatch", author
        assert await told_nothing(staff)
        for said, heard, state in (
            (None, ACCOUNT, "start"),
            (ACCOUNT, ACCOUNT, "stop"),
            (USER, USER, "start"),
        ):
            await talk.say("typing", conversation="conv_123", state=state, author=said)
            signal = await staff.hear("signal")
            assert (signal["author"], signal["state"]) == (heard, state)
        # To type is no claim: whoever comes first may still have the user that nobody has.
        async with server.client(await server.ephemeral("acct_other")) as other:
            await post(other, author=nobody, conversation="conv_theirs")


@pytest.mark.parametrize("author", [ACCOUNT, USER], ids=["the account", "a user of it"])
@pytest.mark.parametrize("named", ["by its id", "by our name"])
async def test_a_refusal_is_forgotten_when_the_account_takes_part(
    server: Server, named: str, author: dict[str, str]
) -> None:
    environment = await server.node.engine.environment(server.tenant.workspace, "live")
    id_, _ = environment.external_ids.resolve(ids.CONVERSATION, "conv_new")
    name = id_ if named == "by its id" else "conv_new"
    message = {"text": "let me in"}
    async with (
        talking(server.realtime_url, await server.ephemeral("acct_123")) as talk,
        server.client(server.tenant.live) as staff,
    ):
        await talk.post("conv_123", "we are", author=USER)
        for _ in range(2):
            refused = await talk.refused("message.create", conversation=id_, message=message)
            assert refused["code"] == "not_found"
        await post(staff, "among us", conversation="conv_new")
        for _ in range(2):
            refused = await talk.refused("message.create", conversation=name, message=message)
            assert refused["code"] == "not_found"
        environment.clock.advance_to(environment.clock.now_ms() + 1)
        await post(staff, "for them", author=author, conversation="conv_new")
        for version in (4, 5):
            assert (await talk.post(name, "thank you"))["version"] == version


async def test_a_long_answer_comes_in_pages_that_hold_everything_once(server: Server) -> None:
    assert MESSAGES * TEXT_BYTES > OUTBOUND_BYTES_MAX + OUTBOUND_ANSWER_BYTES_MAX
    async with (
        server.client(server.tenant.live) as client,
        talking(server.realtime_url, server.tenant.live) as talk,
    ):
        for number in range(MESSAGES):
            await post(client, f"{number:02} " + "x" * TEXT_BYTES)
        for kind, first in (("messages", 2), ("events", 1)):
            path = f"/v1/conversations/conv_123/{kind}?limit=200"
            versions: list[int] = []
            pages, query = 0, ""
            while True:
                page = (await talk.asked("call", method="GET", path=path + query))["body"]
                texts = [item.get("data", item).get("text", "") for item in page["data"]]
                assert sum(map(len, texts)) <= PAGE_BYTES_MAX + 2 * TEXT_BYTES
                versions += [item["version"] for item in page["data"]]
                pages += 1
                if page["next"] is None:
                    break
                query = f"&page={page['next']}"
            assert versions == list(range(first, MESSAGES + 2))
            assert pages > 3
        answer = await client.get("/v1/conversations/conv_123/messages", params={"limit": 200})
        assert answer.json()["next"] is not None


async def test_many_long_answers_at_once_cut_nobody_off_who_reads(server: Server) -> None:
    async with (
        server.client(server.tenant.live) as client,
        talking(server.realtime_url, server.tenant.live) as talk,
    ):
        for _ in range(20):
            await post(client, "x" * TEXT_BYTES)
        path = "/v1/conversations/conv_123/messages?limit=200"
        for number in range(2):
            await talk.say("call", ref=number, method="GET", path=path)
        assert {(await talk.hear("ok"))["ref"] for _ in range(2)} == {0, 1}


async def test_public_routes_can_be_called(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
            answer = await talk.asked("call", method="GET", path=path)
            assert (answer["status"], answer["body"]) == (200, {"status": status})
        index = await talk.asked("call", method="GET", path="/")
        assert index["body"]["contract"] == "/openapi.json"
        contract = await talk.asked("call", method="GET", path="/openapi.json")
        assert contract["body"]["openapi"].startswith("3.1")
        refused = await talk.refused("call", method="GET", path="/nowhere")
        assert refused["code"] == "not_found"


async def broken(caller: Caller, request: Request) -> Response:
    """A handler with a fault in it."""
    return Response(HTTPStatus.OK, caller.environment.name.encode()[len(request.path) // 0 :])


BROKEN = Route(
    method="GET",
    path="/v1/broken",
    name="broken",
    summary="Fails",
    handler=broken,
    scopes=("conversation:read",),
)


async def test_a_fault_in_a_handler_is_told_and_the_connection_goes_on(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    api = Api(name="broken", summary="Fails.", routes=(BROKEN,))
    server.node.dispatcher.table = RouteTable((*APIS, api))
    async with (
        talking(server.realtime_url, server.tenant.live) as talk,
        server.client(server.tenant.live) as client,
    ):
        told = problem(await client.get("/v1/broken"), 500, "internal")
        refused = await talk.refused("call", method="GET", path="/v1/broken")
        assert refused["code"] == "internal"
        assert refused["detail"] == told["detail"]
        assert refused["request_id"].startswith("req_")
        assert "division" not in str(refused) + str(told)
        assert await told_nothing(talk)
    logged = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.__dict__["request_id"] for record in logged] == [
        told["request_id"],
        refused["request_id"],
    ]


async def test_json_in_a_binary_message_is_read_like_text(server: Server) -> None:
    async with dialing(server.realtime_url, speech=JSON) as talk:
        token = server.tenant.live.encode()
        await talk.say_raw(b'{"op":"auth","ref":1,"token":"' + token + b'"}')
        assert (await talk.hear("ready"))["ref"] == 1
        await talk.say_raw(b'{"op":"ping","ref":2}')
        assert await talk.hear() == {"op": "pong", "ref": 2}


async def test_a_text_message_means_nothing_where_messagepack_was_agreed_on(
    server: Server,
) -> None:
    async with talking(server.realtime_url, server.tenant.live, MSGPACK) as talk:
        await talk.say_raw('{"op":"ping","ref":2}')
        refused = await talk.hear("error")
        assert refused["problem"]["code"] == "bad_frame"
        assert "binary" in refused["problem"]["detail"]
        assert await told_nothing(talk)


async def test_a_message_without_content_is_a_bad_frame_and_no_more(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        for empty in (b"", ""):
            await talk.say_raw(empty)
            assert (await talk.hear("error"))["problem"]["code"] == "bad_frame"
        assert await told_nothing(talk)
        posted = await talk.post("conv_123", "still here")
        assert posted["version"] == 2
