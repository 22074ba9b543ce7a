"""A plain connection: what is heard, when it pauses, and that its failures are its own."""

import logging

import pytest
from trio.testing import wait_all_tasks_blocked

from gateway.server.plain_channel import READ_BYTES, PlainChannel
from gateway.server.wire import Wire
from tests.gateway.server.pipes import Peer, Pipe, Told, pair, piped


def second(pipe: Pipe) -> Pipe:
    """Return another connection of the same poller."""
    ours, theirs = pair()
    channel, told = PlainChannel(ours, pipe.poller), Told()
    told.wire = Wire(channel, told, pipe.outflow, pipe.wheel)
    channel.talker = told
    channel.begin()
    return Pipe(channel, told.wire, told, Peer(theirs), pipe.wheel, pipe.outflow, pipe.poller)


async def test_what_the_peer_says_is_heard_in_order() -> None:
    async with piped(buffer_bytes=1 << 20) as pipe:
        data = bytes(number % 253 for number in range(3 * READ_BYTES))
        pipe.peer.send(data)
        await wait_all_tasks_blocked()
        assert pipe.told.heard == data


async def test_nothing_is_heard_while_it_pauses_and_everything_afterwards() -> None:
    async with piped() as pipe:
        pipe.channel.pause()
        pipe.channel.pause()
        pipe.peer.send(b"later")
        await wait_all_tasks_blocked()
        assert pipe.told.heard == b""
        pipe.channel.resume()
        pipe.channel.resume()
        await wait_all_tasks_blocked()
        assert pipe.told.heard == b"later"


async def test_who_pauses_may_still_send_what_waits() -> None:
    async with piped() as pipe:
        pipe.channel.pause()
        pipe.wire.take(b"x" * 50_000)
        assert pipe.wire.blocked
        found = await pipe.peer.read_until(lambda found: len(found) == 50_000)
        assert found == b"x" * 50_000
        pipe.peer.send(b"unheard")
        await wait_all_tasks_blocked()
        assert pipe.told.heard == b""


async def test_the_end_of_what_the_peer_says_is_told_once_and_it_may_still_listen() -> None:
    async with piped() as pipe:
        pipe.peer.send(b"all")
        pipe.peer.say_no_more()
        await wait_all_tasks_blocked()
        assert (pipe.told.heard, pipe.told.log) == (b"all", ["ended"])
        assert pipe.wire.take(b"answer")
        assert pipe.peer.read() == b"answer"
        pipe.channel.shut_down()
        assert pipe.peer.read() == b""
        assert pipe.peer.over


async def test_when_both_have_said_all_the_end_is_told_once_and_nobody_is_kept_busy() -> None:
    async with piped() as pipe:
        pipe.peer.leave()
        pipe.channel.shut_down()
        await wait_all_tasks_blocked()
        assert pipe.told.log == ["ended", "broken"]


async def test_a_peer_that_has_gone_while_it_is_not_heard_ends_the_connection() -> None:
    async with piped() as pipe:
        pipe.channel.pause()
        pipe.peer.send(b"unheard")
        pipe.peer.leave()
        await wait_all_tasks_blocked()
        assert (pipe.told.heard, pipe.told.log) == (b"", ["broken"])


async def test_its_end_is_told_once_and_nothing_more_is_heard() -> None:
    async with piped() as pipe:
        pipe.peer.send(b"unheard")
        pipe.channel.abort()
        pipe.channel.abort()
        assert pipe.told.log == ["broken"]
        for harmless in (pipe.channel.pause, pipe.channel.resume, pipe.channel.shut_down):
            harmless()
        with pytest.raises(OSError, match="Bad file descriptor"):
            pipe.channel.send(b"x")
        await wait_all_tasks_blocked()
        assert (pipe.told.heard, pipe.told.log) == (b"", ["broken"])
        pipe.peer.read()
        assert pipe.peer.over


async def test_a_reset_by_the_peer_ends_it() -> None:
    async with piped() as pipe:
        pipe.wire.take(b"never read")
        pipe.peer.leave()
        await wait_all_tasks_blocked()
        assert pipe.told.log == ["broken"]


async def test_a_failure_is_logged_and_closes_that_connection_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    async with piped() as pipe:
        other = second(pipe)
        pipe.told.raises = ValueError("a fault")
        pipe.peer.send(b"x")
        other.peer.send(b"y")
        await wait_all_tasks_blocked()
        assert pipe.told.log == ["broken"]
        assert (other.told.heard, other.told.log) == (b"y", [])
        assert "a connection failed and was closed" in caplog.text
        other.peer.send(b"z")
        await wait_all_tasks_blocked()
        assert other.told.heard == b"yz"
        other.channel.abort()
        other.peer.leave()


async def test_a_network_error_of_one_connection_is_no_failure_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    async with piped() as pipe:
        pipe.told.raises = BrokenPipeError()
        pipe.peer.send(b"x")
        await wait_all_tasks_blocked()
        assert pipe.told.log == ["broken"]
        assert caplog.records == []
