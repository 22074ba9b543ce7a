from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.realtime import SPEECHES, Speech, spoken
from tests.support.servers import Server, serving


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path / "data") as running:
        yield running


@pytest.fixture(params=SPEECHES, ids=lambda speech: speech.subprotocol)
def speech(request: pytest.FixtureRequest) -> Iterator[Speech]:
    """Let realtime clients speak each dialect in turn."""
    chosen: Speech = request.param
    spoken.append(chosen)
    yield chosen
    spoken.pop()
