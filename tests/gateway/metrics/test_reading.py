"""What is read of actors and logs when the metrics are asked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from engine.actor.outcome import Envelope, Origin, Outcome, Query
from engine.engine import Engine
from engine.environment import Environment
from engine.errors import ParleyError
from gateway.fanout.switchboard import Switchboard
from gateway.metrics.commits import CommitTally
from gateway.metrics.reading import EnvironmentFigures, Sources, read
from persistence.memory.store import MemoryStores
from persistence.protocols.store import Stores
from persistence.records import Stream, StreamWrite
from persistence.sqlite.store import SqliteStores
from tests.gateway.metrics.waiting import until
from tests.support.disks import running, sqlite_disk
from tests.support.drafts import drafts

STREAM = Stream("conversation", "conv_1")


@dataclass(frozen=True)
class Desk:
    """A running engine whose figures can be read."""

    sources: Sources
    environment: Environment

    def figures(self) -> EnvironmentFigures:
        return read(self.sources).environments["live"]


@asynccontextmanager
async def opened(stores: Stores) -> AsyncIterator[Desk]:
    engine = Engine(stores, master_key=bytes(32))
    sources = Sources(version="1", engine=engine, switchboard=Switchboard())
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        workspace = await engine.create_workspace()
        yield Desk(sources, await engine.environment(workspace, "live"))
        nursery.cancel_scope.cancel()


def question(answers: list[Outcome | ParleyError], size: int = 10) -> Envelope:
    return Envelope(Query(lambda _: None), Origin(actor="system"), answers.append, size)


async def test_what_waits_in_mailboxes_is_added_up_and_the_deepest_is_told() -> None:
    async with opened(MemoryStores()) as desk:
        answers: list[Outcome | ParleyError] = []
        for number, count in enumerate((3, 5)):
            for _ in range(count):
                stream = Stream("conversation", f"conv_{number}")
                desk.environment.registry.tell(stream, question(answers))
        figures = desk.figures()
        assert (figures.actors, figures.commands, figures.bytes) == (2, 8, 80)
        assert (figures.deepest_commands, figures.deepest_bytes) == (5, 50)
        await until(lambda: len(answers) == 8)
        assert desk.figures().commands == desk.figures().deepest_bytes == 0


async def test_an_actor_that_fails_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise RuntimeError

    async with opened(MemoryStores()) as desk:
        answers: list[Outcome | ParleyError] = []
        told = Envelope(Query(fail), Origin(actor="system"), answers.append, 10)
        desk.environment.registry.tell(STREAM, told)
        await until(lambda: bool(answers))
        assert desk.figures().failures == 1
    assert "an actor failed" in caplog.text


async def test_environments_of_one_kind_are_added_up(tmp_path: Path) -> None:
    async with opened(SqliteStores(tmp_path)) as desk:
        engine = desk.sources.engine
        await engine.environment(await engine.create_workspace(), "live")
        found = read(desk.sources).environments
        assert {name: figures.count for name, figures in found.items()} == {
            "workspace": 2,
            "live": 2,
        }


async def test_commits_and_what_waits_for_them_are_counted(tmp_path: Path) -> None:
    tally = CommitTally()
    stores = SqliteStores(tmp_path, observer=lambda environment: tally.of(environment).ended)
    with sqlite_disk(tmp_path) as disk:
        await stores.open()
        async with running(stores) as store:
            commits = tally.of("live")
            writes = [StreamWrite(STREAM, 0, drafts(3))]
            await store.log.append(writes)
            assert (commits.records.count, commits.records.sum, commits.failed) == (1, 3, 0)
            assert commits.seconds.count == 1
            disk.hold()
            done: list[object] = []
            store.log.submit([StreamWrite(STREAM, 3, drafts(2))], done.append)
            await disk.wait_held()
            assert stores.records_waiting() == {"live": 2}
            disk.release(failing=True)
            await until(lambda: bool(done))
            assert (commits.records.count, commits.failed) == (1, 1)
            assert stores.records_waiting() == {"live": 0}
        stores.close()
