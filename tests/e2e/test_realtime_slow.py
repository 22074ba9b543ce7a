"""A client that does not read: nothing is lost for it, and it costs the others no memory."""

import json
from pathlib import Path

from gateway.limits import OUTBOUND_BYTES_MAX
from tests.support.processes import Sandbox, sandbox
from tests.support.realtime import Talk, bearer, dialing, talking
from tests.support.servers import ServerName

TEXT_BYTES = 20_000
MESSAGES = 1_800
"""36 MB in all: far more than the client's and the kernel's buffers hold."""

GROWTH_BYTES_MAX = 16 * 1024 * 1024
WINDOW = 16
RECEIVE_BUFFER_BYTES = 4096


def resident_bytes(server: Sandbox) -> int:
    """Return the memory that the server's process has in use."""
    status = Path(f"/proc/{server.program.process.pid}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


async def write(talk: Talk, count: int) -> None:
    """Write ``count`` large messages, some at a time."""
    body = json.dumps({"text": "x" * TEXT_BYTES})
    frame = '{"op":"message.create","conversation":"conv_big","message":' + body + "}"
    for at in range(count + WINDOW):
        if at >= WINDOW:
            assert (await talk.hear())["op"] == "ok"
        if at < count:
            await talk.say_raw(frame)


async def test_who_reads_late_gets_everything_and_memory_stays_bounded(
    tmp_path: Path, server_name: ServerName
) -> None:
    assert MESSAGES * TEXT_BYTES > 100 * OUTBOUND_BYTES_MAX
    async with (
        sandbox(tmp_path, "--server", server_name) as server,
        talking(server.realtime_url, server.key) as writer,
        dialing(
            server.realtime_url,
            bearer(server.key),
            receive_buffer_bytes=RECEIVE_BUFFER_BYTES,
        ) as late,
    ):
        await late.hear("ready")
        await write(writer, 1)
        granted = await late.asked("subscribe", conversation="conv_big", after=0)
        heard = await late.events(2)  # it is live now, and reads no more
        before = resident_bytes(server)
        await write(writer, MESSAGES)
        grown = resident_bytes(server) - before
        assert grown < GROWTH_BYTES_MAX

        await writer.asked("subscribe", conversation="conv_big", after=granted["version"])
        total = 1 + 1 + MESSAGES
        heard += await late.events(total - len(heard))
        assert [event.version for event in heard] == list(range(1, total + 1))
        steady = await writer.events(total - granted["version"])
        missed = heard[granted["version"] :]
        assert [e.event_bytes for e in steady] == [e.event_bytes for e in missed]
        await late.say("ping", ref="there")
        assert (await late.hear("pong"))["ref"] == "there"
