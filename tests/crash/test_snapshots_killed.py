"""A process is killed amid its snapshots: what comes back is what the log says, no more."""

import random
import sys
from pathlib import Path

import pytest
import trio

from engine.actor import rehydration
from engine.actor.actor import Actor
from engine.actor.outcome import Origin, Replayed
from engine.actor.rehydration import rehydrate
from engine.actor.snapshots import Snapshots
from engine.actor.watchdog import Watchdog
from engine.conversation.transitions import KIND
from engine.environment import Environment
from persistence.memory import MemoryStores
from persistence.sqlite import SqliteStores
from tests.crash.keeper import KEY, TALK, key_of
from tests.support.conversations import post
from tests.support.disks import running
from tests.support.processes import running as program

ROUNDS = 8
ROOT = Path(__file__).parents[2]


async def test_a_kill_amid_snapshots_leaves_none_that_says_what_the_log_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehydration, "SNAPSHOT_EVENTS_WORTHWHILE", 1)
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - what is needed to run it again
    chance, resumed = random.Random(seed), 0
    data = tmp_path / "data"
    for number in range(ROUNDS):
        acked = await killed(data, tmp_path / str(number), after=chance.randrange(1, 90))
        resumed += await check(data, acked)
    assert resumed > 0, "no snapshot was ever used"


async def killed(data: Path, folder: Path, *, after: int) -> int:
    """Let a process write until so many messages are acked; kill it; return the last version."""
    async with program(
        sys.executable,
        "-c",
        f"{PRELUDE}; trio.run(keeper.main, Path({str(data)!r}))",
        folder=folder,
    ) as keeper:
        acked = [int(await keeper.line()) for _ in range(after)]
        await keeper.kill()
    return acked[-1]


async def check(data: Path, acked: int) -> int:
    """Compare snapshot and tail with a full replay; say whether the snapshot was of use."""
    stores, memory = SqliteStores(data), MemoryStores()
    await stores.open()
    await memory.open()
    async with running(stores) as store, running(memory) as empty, trio.open_nursery() as nursery:
        environment = Environment("acme", "live", store, workspace_key=KEY, watchdog=Watchdog())
        await environment.start(nursery)
        log = environment.log
        quick, full = (Actor(TALK, KIND, log, lambda: 0) for _ in range(2))
        for actor, kept in ((quick, store), (full, empty)):
            snapshots = Snapshots(kept.snapshots, keyring=log.keyring, environment="acme/live")
            await rehydrate(actor, log, snapshots)
        assert full.version >= acked
        assert quick.capture() == full.capture()
        origin = Origin("key_1", key_of(2), b"body".ljust(16))
        again = await environment.registry.ask(TALK, post(create_as="conv_123"), origin)
        assert again == Replayed(2)
        nursery.cancel_scope.cancel()
    stores.close()
    return quick.kept


PRELUDE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import trio
from pathlib import Path
from tests.crash import keeper
""".strip().replace("\n", "; ")
