"""The command line, as people and machines use it: real processes on a real folder."""

import base64
import json
import secrets
import shlex
import socket
from pathlib import Path

import httpx2
import pytest
import trio

from gateway.limits import SHUTDOWN_SECONDS
from tests.support.processes import PARLEY, POLL_SECONDS, Program, Sandbox, running, sandbox
from tests.support.realtime import talking

MESSAGE = {"text": "Hello", "author": {"type": "user", "id": "usr_45"}}


async def words_of(program: Program) -> str:
    """Return what a command says that refuses: one clear line, no traceback, a bad status."""
    assert await program.ended() == 1
    assert await program.rest() == ""
    said = program.stderr
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if line.startswith("parley: ")], said
    return said


async def post(client: httpx2.AsyncClient, conversation: str = "conv_123") -> int:
    """Write a message; return the status of the answer."""
    path = f"/v1/conversations/{conversation}/messages"
    return (await client.post(path, json=MESSAGE)).status_code


async def test_dev_prints_one_line_that_says_everything_and_logs_elsewhere(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        assert set(server.ready) == {
            "url",
            "secret_key",
            "live_key",
            "admin_key",
            "workspace",
            "data",
        }
        assert server.ready["secret_key"].startswith("sk_test_")
        assert server.ready["live_key"].startswith("sk_live_")
        assert server.ready["admin_key"].startswith("sk_admin_")
        assert server.ready["workspace"].startswith("ws_")
        assert Path(server.ready["data"]) == (tmp_path / "data").resolve()
        for key in (server.ready["secret_key"], server.ready["live_key"]):
            async with server.client(key) as client:
                assert await post(client) == 201
        async with server.client("sk_test_nonsense") as client:
            assert await post(client) == 401
        async with talking(server.realtime_url, server.key) as talk:
            assert (await talk.post("conv_123", "again"))["version"] == 3
        assert await server.program.stop() == 0
        assert await server.program.rest() == ""
        said = server.program.stderr
    assert [json.loads(line)["level"] for line in said.splitlines()]
    assert "Hello" not in said
    for name in ("secret_key", "live_key", "admin_key"):
        assert server.ready[name] not in said


async def test_the_keys_of_a_sandbox_are_the_same_at_every_start(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        first = server.ready
        async with server.client() as client:
            assert await post(client) == 201
        assert await server.program.stop() == 0
    async with sandbox(tmp_path) as server:
        assert {**server.ready, "url": ""} == {**first, "url": ""}
        async with server.client() as client:
            page = (await client.get("/v1/conversations/conv_123/messages")).json()
            assert [message["text"] for message in page["data"]] == ["Hello"]


@pytest.mark.requirement("S97")
async def test_the_seeds_are_there_once_after_two_starts(tmp_path: Path) -> None:
    async def counts(server: Sandbox) -> dict[str, int]:
        found: dict[str, int] = {}
        async with server.client() as client:
            for name in ("conv_order_1042", "conv_invoice_77", "conv_login"):
                answer = await client.get(f"/v1/conversations/{name}/messages")
                found[name] = len(answer.json()["data"])
        return found

    async with sandbox(tmp_path, seed=True) as server:
        first = await counts(server)
        assert await server.program.stop() == 0
    assert first == {"conv_order_1042": 5, "conv_invoice_77": 3, "conv_login": 3}
    async with sandbox(tmp_path, seed=True) as server:
        assert await counts(server) == first


async def test_the_lines_of_the_banner_work_as_they_are_printed(tmp_path: Path) -> None:
    options = ("dev", "--port", "0", "--no-seed", "--data", str(tmp_path / "data"))
    async with running(*PARLEY, *options, folder=tmp_path) as program:
        found: dict[str, str] = {}
        while "Watch" not in found:
            name, _, rest = (await program.line()).strip().partition(" ")
            found[name] = rest.strip()
        posted = await answer_to(found["Try"])
        assert json.loads(posted)["version"] == 2
        assert json.loads(posted)["conversation_external_id"] == "conv_123"
        assert found["Secret"] in found["Try"]
        assert "swagger-ui" in await answer_to(f"curl -s {found['Contract']}")
        async with running(*shlex.split(found["Watch"]), folder=tmp_path / "watch") as watch:
            events = [json.loads(await watch.line())["type"] for _ in range(2)]
        assert events == ["conversation.created", "message.created"]


async def answer_to(line: str) -> str:
    """Run a line as a shell would."""
    done = await trio.run_process(shlex.split(line), capture_stdout=True)
    return done.stdout.decode()


async def test_a_second_process_on_the_folder_is_refused(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        data = str(tmp_path / "data")
        arguments = (*PARLEY, "dev", "--json", "--port", "0", "--data", data)
        async with running(*arguments, folder=tmp_path / "second") as second:
            said = await words_of(second)
        assert data in said
        assert f"process {server.program.process.pid}" in said
        async with server.client() as client:
            assert await post(client) == 201


async def test_a_port_in_use_is_refused_in_clear_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ("dev", "--json", "--port", str(port), "--data", str(tmp_path / "data"))
        async with running(*PARLEY, *options, folder=tmp_path) as program:
            said = await words_of(program)
    assert f"cannot listen on 127.0.0.1:{port}: " in said
    assert "Address already in use" in said


@pytest.mark.requirement("G15")
async def test_sigterm_ends_it_in_time_whatever_is_open(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server, talking(server.realtime_url, server.key) as talk:
        await talk.asked("subscribe", events=["*"])
        client = server.client()
        async with client, client.stream("GET", "/v1/events/stream?since=now") as stream:
            assert stream.status_code == 200
            began = trio.current_time()
            assert await server.program.stop() == 0
            assert trio.current_time() - began < SHUTDOWN_SECONDS + 2
        frames, code = await talk.closing()
        assert frames[-1]["op"] == "bye"
        assert code == 1012


def master_key(path: Path, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64encode(secrets.token_bytes(32)) + b"\n")
    path.chmod(mode)
    return path


UNSAFE = {
    "no master key": ([], "--master-key-file"),
    "a key that is not there": (["--master-key-file", "nowhere.key"], "cannot be read"),
    "a key that others can read": (["--master-key-file", "open.key"], "chmod 600"),
    "a key in the data folder": (["--master-key-file", "data/good.key"], "data folder"),
    "a key that is none": (["--master-key-file", "short.key"], "32 bytes"),
    "plain HTTP to the outside": (
        ["--master-key-file", "good.key", "--host", "0.0.0.0"],  # noqa: S104 - it is refused
        "plain HTTP",
    ),
    "a store that forgets": (["--master-key-file", "good.key", "--store", "memory"], "memory"),
}


@pytest.mark.parametrize("name", UNSAFE)
async def test_serve_refuses_what_is_unsafe(tmp_path: Path, name: str) -> None:
    arguments, words = UNSAFE[name]
    for good in ("good.key", "data/good.key"):
        master_key(tmp_path / good)
    master_key(tmp_path / "open.key", 0o644)
    (tmp_path / "short.key").write_bytes(b"c2hvcnQ=")
    (tmp_path / "short.key").chmod(0o600)
    options = ("serve", "--port", "0", "--data", str(tmp_path / "data"), *arguments)
    async with running(*PARLEY, *options, folder=tmp_path) as program:
        said = await words_of(program)
    assert words in said
    assert (tmp_path / "good.key").read_text().strip() not in said


async def keys_of_a_new_workspace(options: tuple[str, ...], folder: Path) -> dict[str, str]:
    """Make a workspace by the command line; return its keys by environment."""
    async with running(*PARLEY, "keys", "workspace", "Acme", *options, folder=folder) as program:
        assert await program.ended() == 0
        lines = (await program.rest()).splitlines()
    return dict(line.split() for line in lines)


async def test_serve_serves_with_the_keys_made_before_and_prints_no_secret(tmp_path: Path) -> None:
    key_file = master_key(tmp_path / "keys" / "master.key")
    options = ("--data", str(tmp_path / "data"), "--master-key-file", str(key_file))
    keys = await keys_of_a_new_workspace(options, tmp_path / "made")
    assert set(keys) == {"workspace", "live", "test"}
    async with running(*PARLEY, "serve", *options, "--port", "0", folder=tmp_path) as program:
        await program.logged('"ready"')
        (url,) = [
            json.loads(line)["url"] for line in program.stderr.splitlines() if '"ready"' in line
        ]
        for name in ("live", "test"):
            headers = {"Authorization": f"Bearer {keys[name]}"}
            async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
                assert await post(client) == 201
        headers = {"Authorization": f"Bearer {keys['workspace']}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
            assert await post(client) == 403  # known, but it is for administration
        assert await program.stop() == 0
        assert await program.rest() == ""
        said = program.stderr
    secret = key_file.read_text().strip()
    assert not [
        text for text in (*keys.values(), secret) if text.startswith("sk_") and text in said
    ]
    assert secret not in said


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


async def reached(url: str, program: Program) -> None:
    """Wait until the server answers."""
    async with httpx2.AsyncClient(base_url=url) as client:
        with trio.fail_after(20):
            while True:
                try:
                    answer = await client.get("/healthz")
                except httpx2.TransportError:
                    assert program.process.poll() is None, program.stderr
                    await trio.sleep(POLL_SECONDS)
                else:
                    assert answer.status_code == 200
                    return


async def test_hypercorn_itself_can_serve_the_app(tmp_path: Path) -> None:
    key_file = master_key(tmp_path / "keys" / "master.key")
    data = str(tmp_path / "data")
    options = ("--data", data, "--master-key-file", str(key_file))
    keys = await keys_of_a_new_workspace(options, tmp_path / "made")
    settings = {"PARLEY_DATA": data, "PARLEY_MASTER_KEY_FILE": str(key_file)}
    port = free_port()
    command = (PARLEY[0], "-m", "hypercorn", "-k", "trio", "-b", f"127.0.0.1:{port}")
    app = "gateway.app:create()"
    one = (*command, "-w", "1", app)
    async with running(*one, folder=tmp_path / "one", settings=settings) as program:
        url = f"http://127.0.0.1:{port}"
        await reached(url, program)
        headers = {"Authorization": f"Bearer {keys['live']}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
            assert await post(client) == 201
        async with talking(url.replace("http", "ws") + "/v1/realtime", keys["live"]) as talk:
            assert (await talk.post("conv_123", "again"))["version"] == 3
        await program.stop()
        assert keys["live"] not in program.stderr

    two = (*command, "-w", "2", app)
    async with running(*two, folder=tmp_path / "two", settings=settings) as program:
        await program.ended()
        assert f"the data folder {data} is in use by process" in program.stderr
        assert "Only one process may use it at a time" in program.stderr
