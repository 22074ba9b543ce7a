"""Applications start before the first request and end behind the last one, or say why not."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.server.asgi_lifespan import END_SECONDS, START_SECONDS, NotStartedError, lifespan

COMPLETE = "lifespan.startup.complete"
FAILED = "lifespan.startup.failed"
ENDED = "lifespan.shutdown.complete"


class OddError(Exception):
    """What an application fails with."""


class App:
    """An application that does what it is told to at its start and at its end."""

    def __init__(
        self,
        start: str | Callable[[], Awaitable[None]] = COMPLETE,
        end: str | Callable[[], Awaitable[None]] = ENDED,
    ) -> None:
        self.heard: list[str] = []
        self._replies = (start, end)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
        scope["state"]["pool"] = "warm"
        for reply in self._replies:
            self.heard.append((await receive())["type"])
            if isinstance(reply, str):
                await send({"type": reply})
            else:
                await reply()


async def failing() -> None:
    raise OddError


async def waiting() -> None:
    await trio.sleep_forever()


WHOLE = ["lifespan.startup", "lifespan.shutdown"]


async def test_an_application_is_started_and_ended_and_its_state_is_handed_on() -> None:
    app = App()
    async with lifespan(app) as state:
        assert app.heard == WHOLE[:1]
        assert state == {"pool": "warm"}
    assert app.heard == WHOLE


async def test_an_application_that_cannot_start_is_not_served() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(NotStartedError, match="does not say why")):
        async with lifespan(App(start=FAILED)):
            pytest.fail("it was served")


async def test_an_application_says_why_it_cannot_start() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await receive()
        await send({"type": FAILED, "message": "no disk"})
        await receive()

    with pytest.RaisesGroup(pytest.RaisesExc(NotStartedError, match="no disk")):
        async with lifespan(app):
            pytest.fail("it was served")


async def test_an_application_that_does_not_start_in_time_is_not_served(
    autojump_clock: MockClock,
) -> None:
    with pytest.RaisesGroup(NotStartedError):
        async with lifespan(App(start=waiting)):
            pytest.fail("it was served")
    assert autojump_clock.current_time() == START_SECONDS


async def test_an_application_without_a_lifespan_is_served() -> None:
    async def raises(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        raise KeyError(scope["type"])

    async def returns(scope: Any, receive: Any, send: Any) -> None:
        pass

    for app in (raises, returns, App(start=failing)):
        async with lifespan(app) as state:
            assert state in ({}, {"pool": "warm"})


async def test_an_application_that_fails_while_it_runs_ends_what_it_serves() -> None:
    breaks = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await receive()
        await send({"type": COMPLETE})
        await breaks.wait()
        raise OddError

    with pytest.RaisesGroup(OddError):
        async with lifespan(app):
            breaks.set()
            await trio.sleep_forever()


async def test_an_application_that_just_stops_is_served_on() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
        await receive()
        await send({"type": COMPLETE})

    async with lifespan(app):
        await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize("end", [failing, "lifespan.shutdown.failed"])
async def test_a_failure_at_the_end_is_logged(end: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with lifespan(App(end=end)):
        pass
    assert "failed at its end" in caplog.text


async def test_an_application_that_does_not_end_is_ended(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with lifespan(App(end=waiting)):
        pass
    assert autojump_clock.current_time() == END_SECONDS
    assert "did not end in time" in caplog.text


async def test_a_server_that_is_cancelled_waits_for_no_start(autojump_clock: MockClock) -> None:
    with trio.move_on_after(1):
        async with lifespan(App(start=waiting)):
            pytest.fail("it was served")
    assert autojump_clock.current_time() == 1


async def test_an_application_is_ended_when_the_server_fails() -> None:
    app = App()
    with pytest.RaisesGroup(OddError):
        async with lifespan(app):
            raise OddError
    assert app.heard == WHOLE


async def test_an_application_is_given_its_time_when_the_server_is_cancelled(
    autojump_clock: MockClock,
) -> None:
    async def tidying() -> None:
        await trio.sleep(END_SECONDS / 2)
        app.heard.append("tidied up")

    app = App(end=tidying)
    with trio.CancelScope() as scope:
        async with lifespan(app):
            scope.cancel()
            await trio.sleep_forever()
    assert app.heard == [*WHOLE, "tidied up"]
    assert autojump_clock.current_time() == END_SECONDS / 2
