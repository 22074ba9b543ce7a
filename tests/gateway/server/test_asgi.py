"""Applications that answer requests, and those that do not: bare functions, to the letter."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.server.asgi import (
    APP_ENDS_SECONDS,
    BrokenOffError,
    PeerGoneError,
    UnansweredError,
    respond,
)
from tests.gateway.server.exchanges import Asked, Peer, answered

START = {"type": "http.response.start", "status": 200, "headers": []}
DISCONNECT = {"type": "http.disconnect"}


class OddError(Exception):
    """What an application fails with."""


def part(content: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def test_an_application_answers() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = await receive()
        await send({**START, "status": 201, "headers": [(b"X-Path", scope["path"].encode())]})
        await send(part(request["body"], more=True))
        await send(part(b"!"))

    peer = Peer()
    peer.coming.send_nowait((b"hello", False))
    await answered(app, Asked("POST", "/a%20b"), peer)
    assert (peer.status, peer.headers, peer.ended) == (201, [(b"x-path", b"/a b")], True)
    assert await peer.reads() == b"hello!"


async def test_a_body_comes_as_it_was_sent_and_then_the_end_of_the_answer_is_told() -> None:
    told = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        told.extend([await receive() for _ in range(3)])
        await send(START)
        await send(part())
        told.extend([await receive(), await receive()])

    await answered(app, peer=Peer().sends(b"1", b"2"))
    assert told == [
        {"type": "http.request", "body": b"1", "more_body": True},
        {"type": "http.request", "body": b"2", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": False},
        DISCONNECT,
        DISCONNECT,
    ]


async def test_who_waits_for_more_is_told_when_the_answer_is_complete(
    autojump_clock: MockClock,
) -> None:
    told = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        async def listen() -> None:
            told.append(await receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await wait_all_tasks_blocked()
            await send(START)
            await send(part(b"done"))

    peer = await answered(app, peer=Peer().sends(more=True))
    assert (told, peer.ended) == ([DISCONNECT], True)
    assert autojump_clock.current_time() == 0


@pytest.mark.parametrize("body_has_come", [True, False])
async def test_a_peer_that_leaves_is_told_to_who_waits(
    *, body_has_come: bool, autojump_clock: MockClock
) -> None:
    told: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        while not told or told[-1] != DISCONNECT:
            told.append(await receive())
        with pytest.raises(OSError, match="left"):
            await send(START)

    peer = Peer().sends(b"1", more=not body_has_come)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(respond, app, Asked().scope, peer)
        await wait_all_tasks_blocked()
        peer.left.set()
    assert told[0]["body"] == b"1"
    assert told[-1] == DISCONNECT
    assert peer.status is None
    assert autojump_clock.current_time() == 0


BROKEN = (
    PeerGoneError(),
    ConnectionResetError(),
    trio.BrokenResourceError(),
    trio.ClosedResourceError(),
)


@pytest.mark.parametrize("broken", BROKEN)
async def test_an_answer_that_cannot_be_sent_is_a_peer_that_has_left(
    broken: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    told = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await send(START)
        with pytest.raises(PeerGoneError):
            await send(part(b"1", more=True))
        told.append(await receive())
        await send(part())

    peer = Peer().sends(more=True)
    peer.breaks = broken
    await answered(app, peer=peer)
    assert told == [DISCONNECT]
    assert caplog.records == []


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_body_that_breaks_off_is_a_peer_that_has_left(broken: Exception) -> None:
    told = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        told.extend([await receive(), await receive(), await receive()])
        await send(START)

    peer = Peer().sends(b"1", more=True)
    peer.coming.send_nowait(broken)
    await answered(app, peer=peer)
    assert told[1:] == [DISCONNECT, DISCONNECT]
    assert peer.status is None


@pytest.mark.parametrize("head_was_given", [True, False])
async def test_a_failure_before_anything_was_sent_is_the_callers(*, head_was_given: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        if head_was_given:
            await send(START)
        raise OddError

    peer = Peer().sends()
    with pytest.raises(UnansweredError) as told:
        await answered(app, peer=peer)
    assert isinstance(told.value.__cause__, OddError)
    assert peer.status is None


async def test_an_application_that_says_nothing_is_the_callers() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    with pytest.raises(UnansweredError) as told:
        await answered(app)
    assert told.value.__cause__ is None


@pytest.mark.parametrize("fails", [True, False])
async def test_an_answer_that_is_broken_off_is_not_ended(*, fails: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await send(START)
        await send(part(b"half", more=True))
        if fails:
            raise OddError

    peer = Peer().sends()
    with pytest.raises(BrokenOffError) as told:
        await answered(app, peer=peer)
    assert isinstance(told.value.__cause__, OddError) is fails
    assert (peer.status, await peer.reads(), peer.ended) == (200, b"half", False)


async def test_an_answer_shorter_than_it_says_is_broken_off() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await send({**START, "headers": [(b"content-length", b"5")]})
        await send(part(b"1234", more=True))
        with pytest.raises(RuntimeError):
            await send(part())

    peer = Peer().sends()
    with pytest.raises(BrokenOffError):
        await answered(app, peer=peer)
    assert not peer.ended


async def test_a_failure_behind_the_answer_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await send(START)
        await send(part(b"all"))
        raise OddError

    peer = await answered(app)
    assert (await peer.reads(), peer.ended) == (b"all", True)
    (record,) = caplog.records
    assert "failed when its answer was over" in record.message
    assert record.exc_info is not None
    assert record.exc_info[0] is OddError


async def test_leaving_is_no_failure_of_the_application(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await send(START)
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(send, part(b"1", more=True))

    peer = Peer().sends()
    peer.left.set()
    await answered(app, peer=peer)
    assert caplog.records == []


async def test_a_refused_body_is_refused_by_the_caller() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await trio.sleep_forever()

    refusal = OddError("the body is too large")
    peer = Peer()
    peer.coming.send_nowait(refusal)
    with pytest.raises(OddError) as told:
        await answered(app, peer=peer)
    assert told.value is refusal


async def test_an_answer_to_a_refused_body_stands() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        with pytest.raises(OddError):
            await receive()
        await send({**START, "status": 413})
        await send(part())

    peer = Peer()
    peer.coming.send_nowait(OddError())
    await answered(app, peer=peer)
    assert (peer.status, peer.ended) == (413, True)


async def test_an_application_waits_while_its_peer_does_not_read() -> None:
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        nonlocal sent
        await send(START)
        for _ in range(1_000):
            await send(part(b"x", more=True))
            sent += 1
        await send(part())

    peer = Peer(unread_parts_max=3).sends()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(respond, app, Asked().scope, peer)
        await wait_all_tasks_blocked()
        assert sent == 3
        assert await peer.reads() == b"x" * 1_000
    assert peer.ended


def sleepy(*, answers: bool) -> Callable[[Any, Any, Any], Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        if answers:
            await send(START)
            await send(part(b"all"))
        await trio.sleep_forever()

    return app


@pytest.mark.parametrize("answers", [True, False])
async def test_an_application_does_not_outlive_its_request(
    *, answers: bool, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    peer = Peer().sends()
    if not answers:
        peer.left.set()
    await answered(sleepy(answers=answers), peer=peer)
    assert peer.ended is answers
    assert autojump_clock.current_time() == APP_ENDS_SECONDS
    assert "was ended" in caplog.text


async def test_a_peer_that_leaves_late_gives_no_more_time(autojump_clock: MockClock) -> None:
    peer = Peer().sends()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(respond, sleepy(answers=True), Asked().scope, peer)
        await trio.sleep(APP_ENDS_SECONDS - 1)
        peer.left.set()
    assert autojump_clock.current_time() == APP_ENDS_SECONDS


@pytest.mark.parametrize("sends", [True, False])
async def test_an_application_that_hears_nothing_cannot_hold_up_the_others(
    *, sends: bool, mock_clock: MockClock
) -> None:
    tries = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        nonlocal tries
        while True:  # noqa: ASYNC913 - whether there is one is what is tested
            tries += 1
            with suppress(OSError, RuntimeError):
                await (send(part(b"x", more=True)) if sends else receive())

    peer = Peer().sends()
    peer.left.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(respond, app, Asked().scope, peer)
        while tries < 10:  # noqa: ASYNC110 - nothing but turns: the application never waits
            await trio.lowlevel.checkpoint()
        mock_clock.jump(APP_ENDS_SECONDS)


async def test_who_cancels_the_call_cancels_the_application() -> None:
    ended = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(respond, app, Asked().scope, Peer().sends())
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert ended.is_set()


async def test_a_head_is_answered_by_an_application_that_never_ends(
    autojump_clock: MockClock,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await send(START)
        while (await receive())["type"] != "http.disconnect":
            await send(part(b"more", more=True))

    peer = await answered(app, Asked("HEAD"))
    assert (peer.status, await peer.reads(), peer.ended) == (200, b"", True)
    assert autojump_clock.current_time() == 0
