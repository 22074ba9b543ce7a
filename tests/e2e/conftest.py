"""Which tests run on which server, and the fixtures that give them one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import get_args

import pytest

from tests.support.realtime import SPEECHES, Speech, spoken
from tests.support.servers import Server, ServerName, serving

BOTH: tuple[ServerName, ...] = get_args(ServerName)
FRONT_DOOR = BOTH[:1]

OF_THE_DOMAIN = frozenset(
    {
        "test_changing_conversations",
        "test_changing_messages",
        "test_customers",
        "test_parents",
        "test_participants",
        "test_tenants",
        "test_what_customers_cannot_tell",
    }
)
"""Tests of rules behind the dispatcher, which both servers ask: one server is enough for them."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test run on every server, or on the front door alone if its file is named below."""
    if "server_name" in metafunc.fixturenames:
        module = metafunc.module.__name__.rpartition(".")[2]
        metafunc.parametrize("server_name", FRONT_DOOR if module in OF_THE_DOMAIN else BOTH)


@pytest.fixture
async def server(tmp_path: Path, server_name: ServerName) -> AsyncIterator[Server]:
    async with serving(tmp_path / "data", server=server_name) as running:
        yield running


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[Server]:
    """Serve what Hypercorn cannot be told."""
    async with serving(tmp_path / "data") as running:
        yield running


@pytest.fixture(params=SPEECHES, ids=lambda speech: speech.subprotocol)
def speech(request: pytest.FixtureRequest) -> Iterator[Speech]:
    """Let realtime clients speak each dialect in turn."""
    chosen: Speech = request.param
    spoken.append(chosen)
    yield chosen
    spoken.pop()
