"""Who is no trusted proxy speaks for itself alone."""

import logging

import pytest

from tests.support.servers import Server

TOLD = (
    {"X-Forwarded-For": "203.0.113.9"},
    {"X-Forwarded-For": "127.0.0.1, 203.0.113.9, 127.0.0.1"},
    {"X-Forwarded-For": "nonsense"},
    {"X-Real-IP": "203.0.113.9"},
    {"Forwarded": "for=203.0.113.9"},
)


@pytest.mark.requirement("B24")
@pytest.mark.parametrize("told", TOLD, ids=lambda told: next(iter(told.items()))[0])
async def test_what_a_peer_says_of_another_address_is_passed_over(
    front_door: Server, told: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="parley.request")
    async with front_door.client(front_door.tenant.live) as client:
        assert (await client.get("/v1/conversations", headers=told)).status_code == 200
    asked = [vars(record)["client"] for record in caplog.records if record.message == "request"]
    assert asked == ["127.0.0.1"]
