"""``parley tail``: a real terminal program, following a real server."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.test_command_line import words_of
from tests.support.processes import PARLEY, Program, Sandbox, running, sandbox


async def write(server: Sandbox, text: str, conversation: str = "conv_123", **more: Any) -> None:
    async with server.client() as client:
        path = f"/v1/conversations/{conversation}/messages"
        body = {"text": text, "author": {"type": "user", "id": "usr_45"}, **more}
        assert (await client.post(path, json=body)).status_code == 201


async def interrupted(program: Program) -> int:
    program.process.send_signal(signal.SIGINT)
    return await program.ended()


async def test_the_first_minute_needs_no_arguments(tmp_path: Path) -> None:
    settings = {"PARLEY_DATA": str(tmp_path / "data")}
    async with (
        sandbox(tmp_path) as server,
        running(*PARLEY, "tail", folder=tmp_path / "tail", settings=settings) as tail,
    ):
        await tail.logged("following test")
        await write(server, "Hello, I need help")
        assert "conversation.created" in await tail.line()
        line = await tail.line()
        assert line.split("  ")[1:] == ["conv_123", "usr_45", "Hello, I need help"]
        assert "\x1b" not in line
        assert await interrupted(tail) == 0
        assert server.key not in tail.stderr


async def test_json_is_the_event_itself_a_line_each(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        await write(server, "one")
        await write(server, "two")
        options = ("--json", "--since", "now-1h", "--data", str(tmp_path / "data"))
        types = ("--events", "message.*", "conversation.created")
        async with running(*PARLEY, "tail", *options, *types, folder=tmp_path / "t") as tail:
            events = [json.loads(await tail.line()) for _ in range(3)]
        assert [event["type"] for event in events] == [
            "conversation.created",
            "message.created",
            "message.created",
        ]
        assert [event["data"].get("text") for event in events] == [None, "one", "two"]
        since = ("--conversation", "conv_123", "--since", events[1]["cursor"])
        resumed = (*PARLEY, "tail", "--json", *since, "--data", str(tmp_path / "data"))
        async with running(*resumed, folder=tmp_path / "resumed") as tail:
            assert json.loads(await tail.line()) == events[2]


async def test_a_text_cannot_move_the_cursor_of_a_terminal(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        await write(server, "a\nb\tc \u202e d\u0085 e")
        options = ("--since", "now-1h", "--events", "message.*", "--data", str(tmp_path / "data"))
        async with running(*PARLEY, "tail", *options, folder=tmp_path / "tail") as tail:
            line = await tail.line()
    assert line.endswith("a b c \\u202e d\\x85 e")


async def test_a_server_that_is_killed_and_comes_back_is_followed_on(tmp_path: Path) -> None:
    heard: list[str] = []
    async with sandbox(tmp_path) as server:
        options = ("--url", server.url, "--events", "message.*", "--json")
        port = server.url.rpartition(":")[2]
        tail_settings = {"PARLEY_KEY": server.key}
        command = (*PARLEY, "tail", *options)
        async with running(*command, folder=tmp_path / "tail", settings=tail_settings) as tail:
            await tail.logged("following test")
            await write(server, "one")
            heard.append(json.loads(await tail.line())["data"]["text"])
            await server.program.kill()
            dev = ("dev", "--json", "--no-seed", "--port", port, "--data", str(tmp_path / "data"))
            async with running(*PARLEY, *dev, folder=tmp_path / "again") as program:
                again = Sandbox(program, json.loads(await program.line()))
                await write(again, "two")
                await write(again, "three")
                heard += [json.loads(await tail.line())["data"]["text"] for _ in range(2)]
                await tail.logged("again; nothing was missed")
            assert await interrupted(tail) == 0
    assert heard == ["one", "two", "three"]


REFUSED = (
    (("--key", "sk_test_nonsense"), "401: "),
    (("--conversation", "conv_nobody"), "404: "),
    (("--events", "no.such"), "no event type matches"),
    (("--since", "yesterday"), "a position is"),
    (("--url", "http://127.0.0.1:9"), "PARLEY_KEY"),
    (("--url", "http://sk_test_x@127.0.0.1", "--key", "k"), "no credential"),
    (("--data", "nowhere"), "no server runs on"),
)


async def test_what_cannot_be_followed_is_said_in_one_line(tmp_path: Path) -> None:
    async with sandbox(tmp_path):
        for options, words in REFUSED:
            data = () if "--data" in options else ("--data", str(tmp_path / "data"))
            async with running(*PARLEY, "tail", *options, *data, folder=tmp_path / "t") as tail:
                said = await words_of(tail)
            assert words in said
            assert len(said.splitlines()) == 1
            assert "sk_test_nonsense" not in said


async def test_a_customers_key_is_refused_with_its_reason(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        async with httpx2.AsyncClient(base_url=server.url) as client:
            made = await client.post(
                "/v1/auth/ephemeral",
                json={"user_id": "acct_1", "scopes": ["conversation:read"], "ttl": 60},
                headers={"Authorization": f"Bearer {server.key}"},
            )
        settings = {"PARLEY_KEY": made.json()["ephemeral_key"], "PARLEY_URL": server.url}
        async with running(*PARLEY, "tail", folder=tmp_path / "t", settings=settings) as tail:
            assert "403: " in await words_of(tail)


async def test_a_reader_that_has_enough_ends_it_quietly(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        await write(server, "one")
        command = (*PARLEY, "tail", "--since", "now-1h", "--data", str(tmp_path / "data"))
        line = f"{subprocess.list2cmdline(command)} | head -n 1"
        async with running("sh", "-c", line, folder=tmp_path / "tail") as pipe:
            assert "conversation.created" in await pipe.line()
            await write(server, "two")
            await write(server, "three")
            assert await pipe.ended() == 0
            assert "Traceback" not in pipe.stderr
            assert "roken pipe" not in pipe.stderr
