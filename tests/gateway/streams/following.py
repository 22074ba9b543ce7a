"""Open streams whose answer is read as Quart reads it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.conversation.service import stream_of
from engine.events.filters import TypeFilter
from engine.events.service import Start
from engine.principal import Principal
from gateway.callers import Caller
from gateway.fanout.hub import Hub
from gateway.fanout.switchboard import Switchboard
from gateway.http.media_types import NDJSON
from gateway.quart_app.stream import QuartStream
from gateway.streams.stream import EventStream
from tests.support.desks import Desk


@asynccontextmanager
async def working(*, per_key: int = 0) -> AsyncIterator[Switchboard]:
    """Run a switchboard."""
    async with trio.open_nursery() as nursery:
        switchboard = Switchboard(sessions_per_key=per_key)
        await nursery.start(switchboard.run)
        yield switchboard
        nursery.cancel_scope.cancel()


def caller_of(desk: Desk, who: Principal, switchboard: Switchboard) -> Caller:
    return Caller(who, desk.environment, "ek_live_x", Hub(), switchboard)


async def followed(desk: Desk, who: Principal, conversation_id: str, after: int) -> bytes:
    """Return what a stream of ``who`` gives from ``after`` on until it ends."""
    async with working() as switchboard:
        stream = EventStream(
            caller_of(desk, who, switchboard),
            NDJSON,
            start=Start(after),
            stream=stream_of(conversation_id),
            types=TypeFilter(),
        )
        return b"".join([chunk async for chunk in QuartStream(stream)])
