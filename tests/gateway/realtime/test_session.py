"""One realtime connection: what it hears, in which order it answers, and when it is full."""

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.limits import (
    AUTH_SECONDS,
    BAD_FRAMES_MAX,
    HEARTBEAT_SECONDS,
    UNACKED_COMMANDS_MAX,
)
from gateway.realtime.dialects import msgpack
from gateway.realtime.protocol import Close
from gateway.wheel import TICK_SECONDS
from persistence.protocols.store import Store
from tests.support.faults import FaultyStores
from tests.support.parlours import CONVERSATION, parlour

HERE = {"conversation": CONVERSATION}
NONSENSE = "nonsense"
MANY = 2_000
"""More than calls may be nested."""


async def test_who_is_known_is_told_at_once_as_whom(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        caller = await p.caller(expires_s=4_102_444_800)
        guest = p.comes(caller)
        (ready,) = guest.told
        connection = ready.pop("connection")
        assert connection.startswith("con_")
        assert ready == {
            "op": "ready",
            "heartbeat_ms": HEARTBEAT_SECONDS * 1000,
            "environment": "live",
            "subject": caller.principal.subject,
            "audience": "staff",
            "scopes": sorted(caller.principal.scopes),
            "expires_at": "2100-01-01T00:00:00Z",
        }
        other = p.comes(await p.caller(staff=False, subject="acct_1", scopes=frozenset()))
        assert other.told[0]["connection"] != connection
        assert [
            other.told[0][name] for name in ("audience", "subject", "scopes", "expires_at")
        ] == [
            "customer",
            "acct_1",
            [],
            None,
        ]


async def test_it_speaks_and_hears_the_words_of_its_dialect(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        guest, other = p.comes(await p.caller(), dialect=msgpack.DIALECT), p.comes()
        assert guest.ops == ["ready"]
        assert await guest.asks("ping", ref="a") == {"op": "pong", "ref": "a"}
        guest.session.hear('{"op":"ping","ref":1}')
        assert guest.told[-1]["problem"]["code"] == "bad_frame"
        counts = p.node.switchboard.sessions.counts
        assert counts == {"parley.v1+msgpack": 1, "parley.v1+json": 1}
        other.session.lost()
        assert counts == {"parley.v1+msgpack": 1, "parley.v1+json": 0}


async def test_who_is_not_known_says_it_in_a_frame(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        guest = p.comes()
        assert guest.told == []
        assert await guest.asks("ping", ref=1) == {"op": "pong", "ref": 1}
        ready = await guest.asks("auth", ref=2, token=p.key)
        assert (ready["op"], ready["ref"]) == ("ready", 2)
        assert ready["subject"] == (await p.caller()).principal.subject
        assert guest.ops == ["pong", "ready"]


@pytest.mark.parametrize("environment", [None, "workspace"])
async def test_a_credential_that_opens_nothing_is_refused_and_the_end(
    tmp_path: Path, environment: str | None
) -> None:
    async with parlour(tmp_path) as p:
        token = await p.key_of(environment) if environment else "sk_live_" + "x" * 38
        guest = p.comes()
        guest.says("auth", ref=7, token=token)
        guest.says("ping", ref="unheard")
        await wait_all_tasks_blocked()
        assert guest.ops == ["error", "bye"]
        assert guest.told[0]["ref"] == 7
        assert guest.told[0]["problem"]["code"] == (
            "forbidden" if environment else "unauthenticated"
        )
        assert guest.bye["code"] == Close.FORBIDDEN.code
        assert (guest.bye["reconnect"], guest.bye["retry_after"]) == (False, None)


class Torn(FaultyStores):
    """Stores of which one is not there at all, for a reason that nobody has thought of."""

    def store(self, workspace: str, environment: str) -> Store:
        if environment == "test":
            raise LookupError("a fault")
        return super().store(workspace, environment)


COMMANDS: dict[str, dict[str, Any]] = {
    "subscribe": HERE,
    "unsubscribe": HERE,
    "message.create": {**HERE, "message": {"text": "Hello"}},
    "typing": {**HERE, "state": "start"},
    "presence": {**HERE, "state": "online"},
}


async def test_a_failure_on_our_side_ends_this_connection_alone_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with parlour(tmp_path, stores=Torn) as p:
        other, unknown = await p.guest(), p.comes()
        unknown.says("auth", ref=1, token=await p.key_of("test"))
        guests = {op: p.comes(await p.caller()) for op in COMMANDS}
        monkeypatch.setattr((await p.desk()).environment, "conversations", None)
        for op, guest in guests.items():
            guest.says(op, ref=2, **COMMANDS[op])
        await wait_all_tasks_blocked()
        for guest in (unknown, *guests.values()):
            assert "error" not in guest.ops
            assert guest.bye["code"] == Close.RESTART.code
            assert guest.bye["reconnect"] is True
        assert [record.name for record in caplog.records] == ["parley.realtime"] * 6
        assert (await other.asks("ping", ref=3))["op"] == "pong"


async def test_before_it_is_known_who_asks_nothing_is_carried_out(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        guest = p.comes()
        guest.posts(1)
        guest.says("pong", ref=2)
        guest.says("subscribe", ref=3, **HERE)
        await wait_all_tasks_blocked()
        assert guest.refs == [1, 3]
        assert {frame["problem"]["code"] for frame in guest.told} == {"bad_frame"}
        assert (await guest.asks("auth", ref=4, token=p.key))["op"] == "ready"
        assert (await guest.asks("auth", ref=5, token=p.key))["op"] == "bye"


async def test_so_many_bad_frames_are_answered_with_their_refs_and_then_it_ends(
    tmp_path: Path,
) -> None:
    async with parlour(tmp_path) as p:
        guest = await p.guest()
        for ref in range(BAD_FRAMES_MAX):
            assert guest.ear.closed is None
            guest.says(NONSENSE, ref=ref)
        guest.says("ping", ref="unheard")
        assert guest.refs == list(range(BAD_FRAMES_MAX))
        assert {frame["problem"]["code"] for frame in guest.told[1:-1]} == {"bad_frame"}
        assert guest.bye["code"] == Close.BAD_FRAMES.code
        assert (guest.bye["reconnect"], guest.bye["retry_after"]) == (False, None)


async def test_a_command_that_is_refused_is_no_bad_frame(tmp_path: Path) -> None:
    nowhere = {"conversation": "conv_nowhere"}
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("subscribe", nowhere, "not_found"),
        ("subscribe", {}, "wrong_type"),
        ("unsubscribe", {}, "wrong_type"),
        ("message.create", {**HERE, "message": {"text": "\a"}}, "forbidden_character"),
        ("typing", {**nowhere, "state": "start"}, "not_found"),
        ("read", {**nowhere, "version": 1}, "not_found"),
        ("call", {"method": "GET", "path": "/v1/nowhere"}, "not_found"),
    ]
    assert len(refused) > BAD_FRAMES_MAX
    async with parlour(tmp_path) as p:
        guest = await p.guest()
        for ref, (op, members, code) in enumerate(refused):
            answer = await guest.asks(op, ref=ref, **members)
            assert (answer["ref"], answer["problem"]["code"]) == (ref, code), op
            assert (await guest.asks("ping", ref="on"))["ref"] == "on"


async def test_what_is_said_while_something_is_under_way_is_done_behind_it_and_in_order(
    tmp_path: Path,
) -> None:
    async with parlour(tmp_path) as p:
        guest, key = p.comes(), await p.key_of("test")
        guest.says("auth", ref=0, token=key)
        for ref in range(1, MANY):
            guest.says("unsubscribe", ref=ref, **HERE)
        assert (guest.told, guest.is_read()) == ([], False)
        await wait_all_tasks_blocked()
        assert guest.refs == list(range(MANY))
        assert guest.is_read()
        guest.says("unsubscribe", ref="at once", **HERE)
        assert guest.refs[-1] == "at once"


async def test_a_command_that_waits_is_overtaken_by_nothing(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        guest = await p.guest()
        p.disk.hold()
        guest.posts(1)
        await p.disk.wait_held()
        guest.says("subscribe", ref=2, **HERE)
        guest.says("ping", ref=3)
        await wait_all_tasks_blocked()
        assert (guest.refs, guest.is_read()) == ([], False)
        p.disk.release()
        await wait_all_tasks_blocked()
        assert (guest.refs, guest.is_read()) == ([1, 2, 3], True)


async def test_nothing_is_kept_of_what_was_said_and_done(tmp_path: Path) -> None:
    async with parlour(tmp_path) as p:
        guest, stranger, key = await p.guest(), p.comes(), await p.key_of("test")
        done, waits = b'{"op":"unsubscribe","events":true}', b'{"op":"ping","ref":"unheard"}'
        before = sys.getrefcount(done), sys.getrefcount(waits)
        guest.session.hear(done)
        stranger.says("auth", token=key)
        stranger.session.hear(waits)
        assert sys.getrefcount(waits) > before[1]
        stranger.session.lost()
        assert (sys.getrefcount(done), sys.getrefcount(waits)) == before
        assert guest.ops == ["ready", "ok"]


async def test_bad_frames_that_waited_end_it_too_and_what_waits_behind_them_is_not_done(
    tmp_path: Path,
) -> None:
    async with parlour(tmp_path) as p:
        guest, key = p.comes(), await p.key_of("test")
        guest.says("auth", ref="auth", token=key)
        for ref in range(BAD_FRAMES_MAX + 1):
            guest.says(NONSENSE, ref=ref)
        guest.posts(9)
        await wait_all_tasks_blocked()
        assert guest.refs == ["auth", *range(BAD_FRAMES_MAX)]
        assert guest.bye["code"] == Close.BAD_FRAMES.code


async def test_when_as_many_commands_are_under_way_as_may_be_nothing_more_is_done(
    tmp_path: Path,
) -> None:
    async with parlour(tmp_path) as p:
        guest = await p.guest()
        p.disk.hold()
        guest.posts(*range(UNACKED_COMMANDS_MAX - 1))
        assert guest.is_read()
        guest.posts(UNACKED_COMMANDS_MAX - 1)
        assert not guest.is_read()
        guest.says("ping", ref="waits")
        await p.disk.wait_held()
        await wait_all_tasks_blocked()
        assert guest.refs == []
        p.disk.release()
        await wait_all_tasks_blocked()
        assert guest.refs.count("waits") == 1
        assert [ref for ref in guest.refs if ref != "waits"] == list(range(UNACKED_COMMANDS_MAX))
        assert guest.is_read()
        assert (await guest.asks("ping", ref="later"))["ref"] == "later"


async def test_what_has_waited_is_done_as_far_as_there_is_room_and_the_rest_later(
    tmp_path: Path,
) -> None:
    async with parlour(tmp_path) as p:
        guest, key = p.comes(), await p.key_of("test")
        guest.says("auth", ref="auth", token=key)
        guest.posts(*range(3 * UNACKED_COMMANDS_MAX))
        guest.says("ping", ref="last")
        p.disk.hold()
        await p.disk.wait_held()
        await wait_all_tasks_blocked()
        assert (guest.refs, guest.is_read()) == (["auth"], False)
        p.disk.release()
        await wait_all_tasks_blocked()
        assert sorted(guest.refs, key=str) == sorted(
            ["auth", *range(3 * UNACKED_COMMANDS_MAX), "last"], key=str
        )
        receipts = [frame for frame in guest.told if frame["op"] == "ok"]
        assert [receipt["ref"] for receipt in receipts] == list(range(3 * UNACKED_COMMANDS_MAX))
        assert [receipt["version"] for receipt in receipts] == list(range(2, 2 + len(receipts)))
        assert guest.is_read()


async def test_what_is_written_carries_the_trace_of_its_connection(tmp_path: Path) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with parlour(tmp_path) as p:
        for traceparent in (trace, None):
            p.comes(await p.caller(), traceparent=traceparent).posts(1)
            await wait_all_tasks_blocked()
            assert (await (await p.desk()).events())[-1].traceparent == traceparent


async def test_silence_is_broken_in_time_and_talk_is_not(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with parlour(tmp_path) as p:
        quiet, busy = p.comes(await p.caller()), p.comes(await p.caller())
        for _ in range(20):
            await trio.sleep(HEARTBEAT_SECONDS / 4)
            busy.says("ping", ref=1)
        assert "ping" not in busy.ops
        assert quiet.ops == ["ready"] + ["ping"] * (len(quiet.ops) - 1)
        moments = [*quiet.ear.moments, autojump_clock.current_time()]
        silences = [after - before for before, after in pairwise(moments)]
        assert max(silences) <= HEARTBEAT_SECONDS + 2 * TICK_SECONDS
        assert min(silences[:-1]) >= HEARTBEAT_SECONDS / 2


async def test_a_heartbeat_is_only_for_who_has_room_for_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with parlour(tmp_path) as p:
        guest = p.comes(await p.caller())
        guest.ear.stops()
        await trio.sleep(10 * HEARTBEAT_SECONDS)
        assert guest.ops == ["ready"]
        guest.ear.reads()
        await trio.sleep(HEARTBEAT_SECONDS)
        assert "ping" in guest.ops
    assert autojump_clock.current_time() > 10 * HEARTBEAT_SECONDS


async def test_who_does_not_say_who_it_is_is_let_go_in_time_whatever_else_it_says(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with parlour(tmp_path) as p:
        silent, late = p.comes(), p.comes()
        for guest in (silent, late):
            await guest.asks("ping")
        await trio.sleep(AUTH_SECONDS - 1)
        assert silent.ops == ["pong"]
        await late.asks("auth", token=p.key)
        silent.says("ping")
        await trio.sleep(2 + 2 * TICK_SECONDS)
        assert silent.ops == ["pong", "pong", "bye"]
        assert silent.bye["code"] == Close.NO_AUTH.code
        assert silent.bye["reconnect"] is True
        assert AUTH_SECONDS <= silent.ear.moments[-1] <= AUTH_SECONDS + TICK_SECONDS
        assert late.ops == ["pong", "ready"]
    assert autojump_clock.current_time() > AUTH_SECONDS
