"""Feeding one client from the log, whatever it follows: in turn, and its failures are its own."""

import logging

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.errors import ParleyError
from gateway.fanout.feeding import LogFeeder
from tests.gateway.realtime.clients import Client, hall, is_live


async def test_two_subscriptions_of_one_client_that_lag_both_arrive() -> None:
    async with hall() as h:
        await h.write(5, "a")
        await h.write(5, "b")
        client = Client()
        feeder = LogFeeder(client, h.errands)
        both = [h.follow(client, stream=name, feeder=feeder) for name in ("a", "b")]
        await wait_all_tasks_blocked()
        assert sorted(client.heard) == [(name, n) for name in ("a", "b") for n in range(1, 6)]
        assert [one.live for one in both] == [True, True]


async def test_who_is_gone_is_fed_no_more() -> None:
    async with hall() as h:
        client = Client()
        client.stops()
        subscription = h.follow(client)
        await wait_all_tasks_blocked()
        client.leave()
        await wait_all_tasks_blocked()
        assert not client.failed
        subscription.end()
        assert len(h.rooms) == 0


@pytest.mark.parametrize(
    ("error", "is_logged"), [(ParleyError("the store"), False), (KeyError("a fault"), True)]
)
async def test_a_log_that_cannot_be_read_ends_that_client_alone(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    *,
    is_logged: bool,
) -> None:
    caplog.set_level(logging.ERROR)
    async with hall() as h:
        other = Client()
        await h.live(other)

        async def fail(*_: object, **__: object) -> None:
            await trio.lowlevel.checkpoint()
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(h.tallies.log, "read", fail)
            client = Client()
            h.follow(client)
            await wait_all_tasks_blocked()
        assert client.failed
        assert not other.failed
        assert bool(caplog.records) == is_logged
        await h.write()
        assert other.versions == [1]


async def test_feeding_goes_on_for_another_after_it_had_ended() -> None:
    async with hall() as h:
        client = Client()
        feeder = LogFeeder(client, h.errands)
        subscription = h.follow(client, feeder=feeder)
        for number in range(3):
            await wait_all_tasks_blocked()
            assert is_live(subscription)
            client.stops()
            await h.write()
            assert not is_live(subscription)
            client.reads()
            await wait_all_tasks_blocked()
            assert client.versions == list(range(1, number + 2))
