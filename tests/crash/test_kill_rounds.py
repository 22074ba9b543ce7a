"""Power for nobody: a server is killed in full flow, again and again, and what it said stays said.

After each start: every acked message is there as it was acked, versions are dense, no message is
there twice, and a request whose answer never came gives exactly one message when it is repeated.
"""

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from tests.crash.writers import (
    Acked,
    Asked,
    History,
    post,
    wishes,
    write_by_rest,
    write_by_socket,
)
from tests.support.processes import Sandbox, sandbox

ROUNDS = 20
WRITERS = 8
CONVERSATIONS = 3
PAGE = 200
PLANTED = Path(__file__).parent / "planted"
ROOT = Path(__file__).parents[2]


@pytest.mark.requirement("G2", "G5", "G6")
async def test_what_was_acked_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - what is needed to run it again
    chance = random.Random(seed)
    history, names = History(), [""]
    sure = 0
    for number in range(ROUNDS + 1):
        door = "hypercorn" if number % 4 == 3 else "front_door"
        async with sandbox(tmp_path, "--server", door) as server:
            sure += await check(server, history, names)
            if number == ROUNDS:
                break
            history, names = await one_round(server, number, chance)
    print(f"{sure} acked messages were looked for")  # noqa: T201 - a run that wrote nothing shows
    assert sure > ROUNDS * WRITERS


async def one_round(
    server: Sandbox, number: int, chance: random.Random
) -> tuple[History, list[str]]:
    """Let everybody write, and kill the server: at any moment, or just as an answer arrives."""
    names = [f"conv_{number}_{at}" for at in range(CONVERSATIONS)]
    history = History()
    async with trio.open_nursery() as nursery:
        for at in range(WRITERS):
            write = write_by_rest if at % 2 else write_by_socket
            chance.shuffle(names)
            nursery.start_soon(write, server, history, wishes(f"{number}-{at}", list(names)))
        with trio.fail_after(20):
            await history.first_ack.wait()
        await trio.sleep(chance.uniform(0.1, 0.5))
        if number % 2:
            history.at_next_ack = server.program.process.kill
            await server.program.ended()
        else:
            await server.program.kill()
    return history, names


async def check(server: Sandbox, history: History, names: list[str]) -> int:
    """Compare what is there with the history; return how many messages were acked."""
    async with server.client() as client:
        for name in filter(None, names):
            there = await messages_of(client, name)
            acked = {a: said for a, said in history.acked.items() if a.conversation == name}
            assert_kept(there, acked)
        for asked in history.unknown:
            answer = await post(client, asked)
            again = await post(client, asked)
            assert (again["id"], again["version"]) == (answer["id"], answer["version"])
            history.ack(asked, answer)
        for name in filter(None, names):
            assert_whole(await events_of(client, name), await messages_of(client, name), name)
            acked = {a: said for a, said in history.acked.items() if a.conversation == name}
            assert_kept(await messages_of(client, name), acked)
            assert len(await messages_of(client, name)) == len(acked)
    return len(history.acked)


def assert_kept(there: list[dict[str, Any]], acked: dict[Asked, Acked]) -> None:
    """Every acked message is there, with the id, the version and the text it was acked with."""
    by_id = {message["id"]: message for message in there}
    lost = [asked.key for asked, said in acked.items() if said.message_id not in by_id]
    assert not lost, f"{len(lost)} of {len(acked)} acked messages are lost: {lost[:5]}"
    for asked, said in acked.items():
        message = by_id[said.message_id]
        assert (message["version"], message["text"]) == (said.version, asked.body["text"])


def assert_whole(events: list[dict[str, Any]], there: list[dict[str, Any]], name: str) -> None:
    """Versions are 1, 2, 3… without a gap, and nothing is there twice."""
    assert [event["version"] for event in events] == list(range(1, len(events) + 1)), name
    assert len(there) == len(events) - 1
    twice = [text for text, count in Counter(m["text"] for m in there).items() if count > 1]
    assert not twice


async def messages_of(client: httpx2.AsyncClient, name: str) -> list[dict[str, Any]]:
    return await _all(client, f"/v1/conversations/{name}/messages")


async def events_of(client: httpx2.AsyncClient, name: str) -> list[dict[str, Any]]:
    return await _all(client, f"/v1/conversations/{name}/events")


async def _all(client: httpx2.AsyncClient, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    following = None
    while True:
        parameters = {"limit": str(PAGE)} | ({"page": following} if following else {})
        answer = await client.get(path, params=parameters, headers={"Accept": "application/json"})
        if answer.status_code == 404 and not found:
            return []  # the kill came before its first message was on disk
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["data"]
        following = page["next"]
        if following is None:
            return found


@pytest.mark.parametrize("patch", sorted(PLANTED.glob("*.patch")), ids=lambda path: path.stem)
def test_a_planted_fault_still_fits_the_code(patch: Path) -> None:
    _, *files = re.split(r"^diff --git a/(\S+).*$", patch.read_text("utf-8"), flags=re.MULTILINE)
    assert files
    for name, text in zip(files[::2], files[1::2], strict=True):
        code = (ROOT / name).read_text("utf-8")
        for hunk in re.split(r"^@@ .*$", text, flags=re.MULTILINE)[1:]:
            assert before(hunk) in code, hunk


def before(hunk: str) -> str:
    """Return the lines a hunk of a patch expects to find."""
    lines = hunk.removeprefix("\n").splitlines(keepends=True)
    return "".join(line[1:] for line in lines if line[:1] in {" ", "-"})
