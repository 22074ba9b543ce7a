"""Who may open a realtime WebSocket: asked before anything is agreed on."""

from pathlib import Path
from typing import Any

import pytest

from engine.errors import ParleyError
from gateway.callers import Caller
from gateway.http.problem import problem_of
from gateway.realtime.upgrading import REALTIME_PATH, admitted
from tests.support.parlours import Parlour, parlour

UNKNOWN = "Bearer sk_live_" + "x" * 38
NOBODY = {"authorization": "Bearer nonsense"}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def upgrade(
    p: Parlour, headers: dict[str, str], *, path: str = REALTIME_PATH, query: str = ""
) -> Caller | None:
    return await admitted(p.node.dispatcher, path, query, headers)


async def refused(p: Parlour, headers: dict[str, str], **request: str) -> dict[str, Any]:
    """Return the problem of an upgrade that must be refused."""
    with pytest.raises(ParleyError) as refusal:
        await upgrade(p, headers, **request)
    return problem_of(refusal.value, request_id="req_1")


async def test_a_key_in_the_header_names_its_caller(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        for environment in ("live", "test"):
            key = await p.key_of(environment)
            caller = await upgrade(p, bearer(key))
            assert caller is not None
            assert caller.credential == key
            assert caller.principal == await p.node.engine.authenticate(key)
            assert caller.environment is await p.node.engine.environment(p.workspace, environment)
            assert caller.hub is p.node.switchboard.hubs.of(p.workspace, environment)


async def test_without_a_header_nobody_is_named_and_a_frame_may_say_it(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        assert await upgrade(p, {}) is None
        assert await upgrade(p, {"cookie": f"token={p.key}", "x-authorization": p.key}) is None


async def test_a_header_that_names_nobody_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        for text in ("", "Bearer", "Bearer ", "Basic YTpi", UNKNOWN, p.key):
            problem = await refused(p, {"authorization": text})
            assert (problem["status"], problem["code"]) == (401, "unauthenticated"), text
            assert p.key not in str(problem)


async def test_an_admin_key_opens_no_socket(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        problem = await refused(p, bearer(await p.key_of("workspace")))
        assert (problem["status"], problem["code"]) == (403, "forbidden")


async def test_a_parameter_is_refused_whoever_asks(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        for query in (f"token={p.key}", f"x={p.key}", "x=", "token", "a=1&a=1"):
            for headers in ({}, bearer(p.key), NOBODY):
                problem = await refused(p, headers, query=query)
                assert (problem["status"], problem["code"]) == (422, "bad_parameter"), query
                assert p.key not in str(problem)


ELSEWHERE = {
    "/v1/nowhere": (404, "not_found"),
    "/v1/realtime/": (404, "not_found"),
    "/v1/realtime/x": (404, "not_found"),
    "/V1/realtime": (404, "not_found"),
    "/v1/%72ealtime": (404, "not_found"),
    "/v1/conversations/c": (400, "bad_frame"),
    "/v1/events/stream": (400, "bad_frame"),
    "/healthz": (400, "bad_frame"),
    "/v1/auth/ephemeral": (405, "method_not_allowed"),
}


async def test_elsewhere_there_is_no_socket_whoever_asks(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        for path, (status, code) in ELSEWHERE.items():
            for headers in ({}, bearer(p.key), NOBODY):
                problem = await refused(p, headers, path=path, query="token=x")
                assert (problem["status"], problem["code"]) == (status, code), path
                assert (REALTIME_PATH in problem["detail"]) == (code == "bad_frame")
