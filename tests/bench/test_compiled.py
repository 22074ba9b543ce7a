"""The compiled generator counts what a server does wrong, and waits for none of them for ever.

Where there is no C compiler, each of these tests shows that the generator says so instead.
"""

import functools
import os
import re
from pathlib import Path

import pytest
import trio

from bench.load import compiled
from bench.load.compiled import GeneratorError, Setting
from tests.bench.generating import (
    MEMBERS,
    WINDOW,
    Figures,
    fan_out,
    figures,
    where_it_can_be_built,
    wrong,
)
from tests.bench.lying import (
    AT,
    CHUNKED,
    CREATED,
    REFUSED,
    Held,
    Lie,
    Nats,
    Rooms,
    SocketIo,
    Talk,
    answers,
    cutting,
    huge,
    kept_from_all,
    kept_from_one,
    none_from_then_on,
    nothing,
    of_another_room,
    serving_bytes,
    serving_rooms,
    twice,
)
from tests.support.servers import serving


@where_it_can_be_built
async def test_an_honest_server_has_done_nothing_wrong() -> None:
    async with serving_rooms(Rooms()) as port:
        found = await fan_out(port, pid=os.getpid())
    assert wrong(found) == {}
    assert found["deliveries"] > 0
    assert found["frame_bytes_out"] == 200
    assert found["latency_us"]["p50"] <= found["latency_us"]["p99"] <= found["latency_us"]["max"]
    assert found["server_cpu_us_per_delivery"] is not None
    assert found["server_rss_kib_before"] > 0
    assert found["ack_latency_us"] is None


@pytest.mark.parametrize(
    ("lie", "counted"),
    [
        (huge, {}),
        (kept_from_one, {"lost": 1}),
        (kept_from_all, {"lost": MEMBERS}),
        (twice, {"doubled": 1}),
        (Held(until=AT + 1, in_order=False), {"disordered": 1}),
        (none_from_then_on, {"lost": WINDOW * MEMBERS}),
    ],
)
@where_it_can_be_built
async def test_what_a_server_does_wrong_is_counted(lie: Lie, counted: dict[str, int]) -> None:
    async with serving_rooms(Rooms(lie)) as port:
        assert wrong(await fan_out(port, patience=1)) == counted


@where_it_can_be_built
async def test_a_message_of_another_room_is_an_error() -> None:
    async with serving_rooms(Rooms(of_another_room)) as port:
        found = await fan_out(port, rooms=2)
    assert found["errors"] == 1
    assert found["first_error"].startswith("a message of another room")


@where_it_can_be_built
async def test_a_connection_that_is_closed_is_an_error_and_the_others_go_on() -> None:
    async with serving_rooms(Rooms(closes_at=AT)) as port:
        found = await fan_out(port)
    assert wrong(found) == {"errors": 1}
    assert "closed: code 1012 bye" in found["first_error"]
    assert found["messages"] > AT


@where_it_can_be_built
async def test_an_open_loop_sends_when_it_is_due_and_charges_what_waited() -> None:
    rate, held = 100, 10
    rooms = Rooms(Held(until=AT + held, in_order=True))
    async with serving_rooms(rooms) as port:
        found = await fan_out(port, rate=rate, secs=0.3, warmup=AT / rate)
    assert wrong(found) == {}
    assert rooms.posts == AT + 30
    assert found["latency_us"]["count"] == 30 * MEMBERS
    assert found["latency_us"]["max"] >= held / rate * 1e6


@where_it_can_be_built
async def test_everybody_writes_where_that_is_asked() -> None:
    rooms = Rooms()
    async with serving_rooms(rooms) as port:
        found = await fan_out(port, rooms=2)
        assert (wrong(found), len(rooms.writers)) == ({}, 2)
        rooms.writers.clear()
        found = await fan_out(port, rooms=2, writers="all")
        assert (wrong(found), len(rooms.writers)) == ({}, 2 * MEMBERS)
        assert found["writers"] == "all"
        found = await figures("pairs", port, dialect="ws", rooms=4)
    assert wrong(found) == {}
    assert (found["members"], found["writers"], found["window"]) == (2, "all", 64)


@where_it_can_be_built
async def test_an_echo_is_the_answer_where_there_is_no_other() -> None:
    async with serving_rooms(Rooms()) as port:
        found = await figures("ack", port, dialect="ws", conns=2, rate=50)
    assert wrong(found) == {}
    assert found["ack_latency_us"]["count"] == 15


@where_it_can_be_built
async def test_members_who_never_read_are_left_out_of_the_figures() -> None:
    async with serving_rooms(Rooms()) as port:
        found = await figures("slow", port, dialect="ws", members=4, slow=0.25, rate=50)
    assert wrong(found) == {}
    assert found["slow_conns"] == 1
    assert found["latency_us"]["count"] == 15 * 3


@where_it_can_be_built
async def test_idle_connections_are_held_and_their_cost_is_told() -> None:
    rooms = Rooms()
    async with serving_rooms(rooms) as port:
        found = await figures("idle", port, dialect="ws", conns=10, hold=0.1, pid=os.getpid())
    assert wrong(found) == {}
    assert found["conns"] == rooms.joined == 10
    assert found["rss_per_conn_bytes"] is not None
    assert found["connect_cpu_us_per_conn"] is not None


@where_it_can_be_built
async def test_a_percentile_is_exact_to_a_hundredth() -> None:
    async with serving_rooms(Rooms()) as port:
        found = await figures("ack", port, dialect="ws", conns=1, rate=1)
    latency = found["latency_us"]
    assert latency["count"] == 1
    assert latency["p50"] == latency["p999"] == pytest.approx(latency["max"], rel=0.01)


# ---- what it does not wait for


@where_it_can_be_built
async def test_a_server_that_falls_silent_ends_it() -> None:
    async with serving_rooms(Rooms(none_from_then_on)) as port:
        with pytest.raises(GeneratorError, match="4 messages are under way"):
            await fan_out(port, secs=10, patience=1)


@where_it_can_be_built
async def test_a_room_without_a_message_ends_it() -> None:
    async with serving_rooms(Rooms(nothing)) as port:
        with pytest.raises(GeneratorError, match="did not get the first message"):
            await fan_out(port, patience=1)


@where_it_can_be_built
async def test_a_connection_that_is_closed_before_the_load_ends_it() -> None:
    async with serving_rooms(Rooms(closes_at=-1)) as port:
        with pytest.raises(GeneratorError, match="closed: code 1012 bye"):
            await fan_out(port)


@where_it_can_be_built
async def test_a_server_that_never_answers_a_handshake_ends_it() -> None:
    async def mute(stream: trio.SocketStream) -> None:
        async for _ in stream:
            pass

    async with serving_bytes(mute) as port:
        with pytest.raises(GeneratorError, match="3 connections are not in"):
            await fan_out(port, patience=1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            "answered: HTTP/1.1 403 Forbidden",
        ),
        (b"HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: any\r\n\r\n", "has the wrong key"),
        (b"", "was closed: without a word"),
    ],
)
@where_it_can_be_built
async def test_a_server_that_refuses_ends_it(answer: bytes, words: str) -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)

    async with serving_bytes(refuse) as port:
        with pytest.raises(GeneratorError, match=re.escape(words)):
            await fan_out(port)
    with pytest.raises(GeneratorError, match="refused"):
        await fan_out(port)


@where_it_can_be_built
async def test_a_generator_that_takes_too_long_is_ended() -> None:
    async with serving_rooms(Rooms()) as port:
        run = functools.partial(
            compiled.run, "fanout", {"dialect": "ws", "port": port, "secs": 60}, seconds_max=0.3
        )
        with pytest.raises(GeneratorError, match=r"did not end within 0\.3 s"):
            await trio.to_thread.run_sync(run)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dialect": "latin"}, 'no dialect is called "latin"'),
        ({"dialect": "ws", "rate": "many"}, "rate=many is no number"),
        ({"dialect": "ws", "roms": 1}, "roms=1 is not understood"),
        ({"dialect": "http"}, "http cannot do fanout"),
        ({"dialect": "ws", "members": -1}, "members=-1 is no number"),
    ],
)
@where_it_can_be_built
async def test_what_it_cannot_do_is_refused(settings: dict[str, Setting], words: str) -> None:
    with pytest.raises(GeneratorError, match=words):
        await figures("fanout", 1, **settings)


# ---- dialects, and pieces


@where_it_can_be_built
async def test_frames_are_read_however_they_are_cut() -> None:
    async with serving_rooms(Rooms()) as port, serving_bytes(cutting(port)) as between:
        found = await fan_out(between)
    assert wrong(found) == {}
    assert found["deliveries"] > 0


@pytest.mark.parametrize(("dialect", "rooms"), [("socketio", SocketIo), ("nats", Nats)])
@where_it_can_be_built
async def test_dialects_of_others_are_spoken(dialect: str, rooms: type[Rooms]) -> None:
    async with serving_rooms(rooms()) as port:
        found = await fan_out(port, dialect=dialect)
    assert wrong(found) == {}
    assert found["deliveries"] > 0


# ---- HTTP


async def post(port: int, **settings: Setting) -> Figures:
    asked: dict[str, Setting] = {"dialect": "http", "conns": 1, "path": "/rooms/{n}", "key": "sk"}
    return await figures("post", port, **asked | settings)


@pytest.mark.parametrize("answer", [CREATED, CHUNKED])
@where_it_can_be_built
async def test_posts_are_answered_whole(answer: bytes) -> None:
    async with serving_bytes(answers(answer)) as port:
        found = await post(port)
        assert wrong(found) == {}
        assert found["messages"] == found["acks"] > 0
        found = await post(port, rate=50, warmup=0.1)
    assert wrong(found) == {}
    assert found["latency_us"]["count"] == found["ack_latency_us"]["count"] == 15


@where_it_can_be_built
async def test_a_post_that_is_refused_is_an_error() -> None:
    async with serving_bytes(answers(CREATED, REFUSED, CREATED)) as port:
        found = await post(port)
    assert wrong(found) == {"errors": 1}
    assert found["first_error"].startswith("refused: HTTP/1.1 500 Oh")


@where_it_can_be_built
async def test_posts_that_find_nobody_any_more_end_it() -> None:
    async with serving_bytes(answers(CREATED, b"")) as port:
        with pytest.raises(GeneratorError, match="every connection was closed: connection 0"):
            await post(port)


# ---- parley


@where_it_can_be_built
async def test_versions_have_to_rise_by_one() -> None:
    async with serving_rooms(Talk()) as port:
        assert wrong(await fan_out(port, dialect="parley")) == {}
        assert wrong(await fan_out(port, dialect="parley")) == {}, "another run, another key"
    async with serving_rooms(Talk("skips")) as port:
        found = await fan_out(port, dialect="parley")
    assert wrong(found) == {"disordered": MEMBERS, "version_faults": MEMBERS}


@where_it_can_be_built
async def test_a_message_that_is_refused_or_not_answered_is_an_error() -> None:
    async with serving_rooms(Talk("refuses")) as port:
        found = await fan_out(port, dialect="parley")
    assert found["errors"] == 1
    assert found["first_error"].startswith("refused: ")
    async with serving_rooms(Talk("forgets")) as port:
        found = await fan_out(port, dialect="parley", patience=1)
    assert wrong(found) == {"errors": 1, "unacked": 1}


@pytest.mark.parametrize(
    ("dialect", "scenario", "settings"),
    [
        ("parley", "fanout", {"members": 5, "window": 4}),
        ("parley", "pairs", {"rooms": 3, "window": 4}),
        ("parley", "ack", {"conns": 3, "rate": 50}),
        ("parley", "idle", {"conns": 6, "hold": 0.1, "pid": os.getpid()}),
        ("parley", "slow", {"members": 4, "slow": 0.25, "rate": 50}),
        ("parley", "storm", {"conns": 10, "rooms": 3, "missed": 7}),
        ("http", "post", {"conns": 4}),
        ("http", "ack", {"conns": 4, "rate": 50}),
        ("sse", "fanout", {"conns": 3, "rate": 50}),
    ],
)
@where_it_can_be_built
async def test_parley_does_nothing_wrong(
    dialect: str, scenario: str, settings: dict[str, Setting], tmp_path: Path
) -> None:
    async with serving(tmp_path) as server:
        port = int(server.url.rpartition(":")[2])
        asked: dict[str, Setting] = {"dialect": dialect, "key": server.tenant.test}
        found = await figures(scenario, port, **asked | settings)
    assert wrong(found) == {}
    assert scenario == "idle" or found["latency_us"]["count"] > 0
    if scenario == "storm":
        assert found["latency_us"]["count"] == 10 * 7


# ---- building


async def test_without_a_compiler_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not compiled.available()
    assert "C compiler" in str(compiled.missing())
    with pytest.raises(GeneratorError, match="there is no C compiler"):
        compiled.run("fanout", {"dialect": "ws", "port": 1})


@where_it_can_be_built
async def test_it_is_built_once_and_again_when_a_source_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sources = tmp_path / "generator"
    sources.mkdir()
    monkeypatch.setattr(compiled, "SOURCES", sources)
    monkeypatch.setattr(compiled, "BUILT", tmp_path / ".built")
    source = sources / "main.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("{\\"is\\":1}"); return 0; }\n')
    first, changed = compiled.built(), compiled.built().stat().st_mtime_ns
    assert compiled.built() == first
    assert first.stat().st_mtime_ns == changed
    assert compiled.run("any", {}) == {"is": 1}
    source.write_text("int main(void) { return 3; }\n")
    assert compiled.built() != first
    with pytest.raises(GeneratorError, match="exit status 3"):
        compiled.run("any", {})
    source.write_text("int main(void) { return unheard_of; }\n")
    with pytest.raises(GeneratorError, match=r"refused the generator(.|\n)*unheard_of"):
        compiled.built()
