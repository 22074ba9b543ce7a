"""A server is killed while views are written: rows and position agree, the list is the log's."""

import random
from pathlib import Path

import httpx2
import trio

from tests.crash.writers import History, wishes, write_by_rest, write_by_socket
from tests.support.processes import Sandbox, sandbox

ROUNDS = 6
WRITERS = 6
CONVERSATIONS = 25
PAGE = 20


async def test_a_view_is_the_fold_of_the_log_after_a_kill_at_any_moment(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - what is needed to run it again
    chance = random.Random(seed)
    names: set[str] = set()
    for number in range(ROUNDS + 1):
        async with sandbox(tmp_path) as server:
            await assert_list_is_the_log(server, names)
            if number < ROUNDS:
                names |= await one_round(server, number, chance)
    assert len(names) > CONVERSATIONS


async def one_round(server: Sandbox, number: int, chance: random.Random) -> set[str]:
    """Let everybody write, and somebody list, and kill the server at any moment."""
    names = [f"conv_{number}_{at}" for at in range(CONVERSATIONS)]
    history = History()
    async with trio.open_nursery() as nursery:
        for at in range(WRITERS):
            write = write_by_rest if at % 2 else write_by_socket
            chance.shuffle(names)
            nursery.start_soon(write, server, history, wishes(f"{number}-{at}", list(names)))
        with trio.fail_after(20):
            await history.first_ack.wait()
        nursery.start_soon(keep_listing, server)
        await trio.sleep(chance.uniform(0.05, 0.6))
        await server.program.kill()
    return {asked.conversation for asked in history.asked}


async def keep_listing(server: Sandbox) -> None:
    """List again and again, so that the view is written in small pieces."""
    async with server.client() as client:
        while True:  # noqa: ASYNC913 - each request is one
            try:
                await client.get("/v1/conversations", params={"limit": 5})
            except httpx2.TransportError:
                return


async def assert_list_is_the_log(server: Sandbox, names: set[str]) -> None:
    """Every conversation that is there is listed once, as its own route answers it."""
    async with server.client() as client:
        listed: dict[str, object] = {}
        activity: list[str] = []
        path = f"/v1/conversations?limit={PAGE}"
        while path:
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text
            for item in answer.json()["data"]:
                assert item["id"] not in listed
                listed[item["id"]] = item
                activity.append(item["updated_at"])
            path = str(answer.links["next"]["url"]) if answer.json()["next"] else ""
        assert activity == sorted(activity, reverse=True), "rows lack what their position counts"
        there: dict[str, object] = {}
        for name in names:
            answer = await client.get(f"/v1/conversations/{name}")
            if answer.status_code == 200:  # else the kill came before its first message was on disk
                there[answer.json()["id"]] = answer.json()
        assert listed == there
        counts = (await client.get("/v1/conversations/counts")).json()["data"]
        assert sum(one["count"] for one in counts) == len(there)
