"""The Python example on docs/cli.md runs as it is printed."""

import re
import sys
from pathlib import Path

from tests.support.processes import running
from tests.support.servers import serving

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


async def test_the_example_prints_the_messages_of_a_server(tmp_path: Path) -> None:
    (example,) = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    async with serving(tmp_path / "data") as server:
        async with server.client(server.tenant.test) as client:
            for text in ("Hello", "Goodbye"):
                path = "/v1/conversations/conv_123/messages"
                await client.post(path, json={"text": text})
        settings = {
            "URL": server.url,
            "KEY": server.tenant.test,
            "PYTHONPATH": str(PAGE.parents[1]),
        }
        command = (sys.executable, "-c", example)
        async with running(*command, folder=tmp_path / "run", settings=settings) as program:
            lines = (await program.rest()).splitlines()
            assert await program.ended() == 0, program.stderr
    assert [line.split(" ")[1] for line in lines] == ["Hello", "Goodbye"]
