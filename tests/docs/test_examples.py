"""Every example in README and docs is run, and must do what the page says."""

import json
import re
import shlex
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
from trio_websocket import open_websocket_url

from tests.support.servers import Server, serving

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)?(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Curl:
    """What a curl line asks for."""

    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    data: str | None = None
    method: str | None = None


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path / "data") as running:
        yield running


def curl(line: str) -> Curl:
    """Read the few options our examples use; any other is a mistake in the page."""
    found, words = Curl(), iter(shlex.split(line.replace("\\\n", " "))[1:])
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            found.headers[name] = value
        elif word == "-d":
            found.data = next(words)
        elif word == "-X":
            found.method = next(words)
        elif word.startswith("-"):
            assert word in {"-s", "-sN"}, word
        else:
            found.url = word
    return found


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield found[1] or "", found[2] or "", found[3]


def contains(whole: Any, part: Any) -> bool:
    """Say whether every member of ``part`` stands in ``whole`` with the same value."""
    if isinstance(part, dict):
        return all(name in whole and contains(whole[name], part[name]) for name in part)
    return bool(whole == part)


async def ask(server: Server, example: Curl) -> Any:
    async with server.client() as client:
        answer = await client.request(
            example.method or ("POST" if example.data else "GET"),
            example.url,
            headers=example.headers,
            content=example.data.encode() if example.data else None,
        )
    assert "problem" in answer.headers["content-type"] or answer.is_success, answer.text
    return answer.json()


async def first_bytes(example: Curl) -> str:
    """Return the first bytes of a stream that carry an event, as a socket gives them."""
    parts = urlsplit(example.url)
    head = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in example.headers.items())
    received = b""
    with trio.fail_after(5):
        async with await trio.open_tcp_stream(parts.hostname or "", parts.port or 80) as stream:
            await stream.send_all(head.encode() + b"\r\n")
            while b'{"type":"' not in received:
                received += await stream.receive_some(4096)
    return received.decode()


@pytest.mark.requirement("S1")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_the_curl_lines_of_a_page_do_what_it_says(page: Path, server: Server) -> None:
    answer: Any = None
    message = ""
    for language, kind, text in blocks(page):
        filled = text.replace("$URL", server.url).replace("$KEY", server.tenant.test)
        filled = filled.replace("$MESSAGE", message).replace("$ADMIN", server.tenant.admin)
        if language == "sh" and filled.startswith("curl"):
            example = curl(filled)
            if kind == "stream":
                await say_hello(server)
                assert '{"type":"' in await first_bytes(example)
            else:
                answer = await ask(server, example)
                if str(answer.get("id")).startswith("msg_"):
                    message = answer["id"]
        elif language == "json" and not kind:
            assert contains(answer, json.loads(text)), (page.name, text, answer)


async def say_hello(server: Server) -> None:
    """Give a stream something to show."""
    async with server.client(server.tenant.test) as client:
        await client.post(
            "/v1/conversations/conv_doc/messages", json={"text": "one more line for the stream"}
        )


async def test_the_dialogue_on_the_realtime_page_happens_as_printed(server: Server) -> None:
    texts = [t for _, kind, t in blocks(ROOT / "docs/realtime.md") if kind == "dialogue"]
    assert len(texts) == 1
    lines = texts[0].replace("$KEY", server.tenant.test).splitlines()
    async with open_websocket_url(server.realtime_url, subprotocols=["parley.v1+json"]) as socket:
        for line in lines:
            direction, frame = line[0], line[2:]
            if direction == ">":
                await socket.send_message(frame)
            else:
                with trio.fail_after(5):
                    said = json.loads(await socket.get_message())
                assert contains(said, json.loads(frame)), (frame, said)


def test_every_page_of_an_api_is_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in readme
