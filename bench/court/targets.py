"""What is tried and what is to be reached: data, set before it was measured.

A floor is what Parley must reach, a goal what it aims at. Parley is always whole: authenticated,
checked, sealed and on disk before it is answered, unless a line says ``storage off``. Nobody else
here authenticates or stores anything.
"""

from bench.court.trial import FULL, HALF, TENTH, Claim, Figure, Party, Setting, Trial

PARLEY = Party("Parley")
STORAGE_OFF = Party("Parley, storage off")
ON_HYPERCORN = Party("Parley on Hypercorn")
SOCKET_IO = Party("socket.io")
NODE_WS = Party("Node ws")
NODE_HTTP = Party("node:http")
STARLETTE = Party("Starlette")
PYTHON_SOCKETIO = Party("python-socketio")
NATS = Party("nats-server")

DELIVERIES = "deliveries_per_s"
MESSAGES = "messages_per_s"
P50 = "latency_us.p50"
P99 = "latency_us.p99"
BARE_FSYNC = "fsync_us.p50"
COMMIT_P50 = "commit_us.p50"
COMMIT_P99 = "commit_us.p99"
CONVERSATION = "/v1/conversations/conv_{n}/messages"

TO_PARLEY: dict[str, Setting] = {"dialect": "http", "path": CONVERSATION}
TO_OTHERS: dict[str, Setting] = {"path": "/messages"}
POSTS = tuple(Party(party.peer, settings=TO_PARLEY) for party in (PARLEY, ON_HYPERCORN))
POSTS_BESIDE = (
    Party(NODE_HTTP.peer, settings=TO_OTHERS),
    Party(STARLETTE.peer, dialect="http", settings=TO_OTHERS),
)


def against(
    other: Party,
    floor: float,
    goal: float | None = None,
    *,
    rate: str = DELIVERIES,
    party: Party = PARLEY,
) -> Claim:
    """Return the claim that one is so many times as fast as another."""
    return Claim(
        f"{party.name} against {other.name}",
        Figure(rate, party.name),
        floor,
        goal,
        over=Figure(rate, other.name),
    )


FAN_OUT = (
    Trial(
        name="fan_out_100_w16",
        title="Fan-out to 100, 16 under way",
        state="one room of 100 members, one of them writes, 16 messages under way",
        scenario="fanout",
        settings={"rooms": 1, "members": 100, "window": 16},
        parties=(
            *(PARLEY, STORAGE_OFF, ON_HYPERCORN),
            *(NATS, SOCKET_IO, NODE_WS, STARLETTE, PYTHON_SOCKETIO),
        ),
        claims=(
            against(NATS, 0.8, 1.0),
            against(SOCKET_IO, 8, 10),
            against(NATS, 1.3, 1.4, party=STORAGE_OFF),
            against(SOCKET_IO, 12, party=STORAGE_OFF),
        ),
        paces=(FULL, HALF),
    ),
    Trial(
        name="fan_out_100_w64",
        title="Fan-out to 100, 64 under way",
        state="one room of 100 members, one of them writes, 64 messages under way",
        scenario="fanout",
        settings={"rooms": 1, "members": 100, "window": 64},
        parties=(PARLEY, NATS, SOCKET_IO, NODE_WS),
        claims=(against(NATS, 1.0, 1.2),),
    ),
    Trial(
        name="fan_out_100_w1",
        title="Fan-out to 100, 1 under way",
        state="one room of 100 members, one of them writes, 1 message under way",
        scenario="fanout",
        settings={"rooms": 1, "members": 100, "window": 1},
        parties=(PARLEY, STORAGE_OFF, NATS, SOCKET_IO, NODE_WS),
        claims=(against(SOCKET_IO, 0.9, 1.1),),
    ),
    Trial(
        name="fan_out_1000_w4",
        title="Fan-out to 1,000, 4 under way",
        state="one room of 1,000 members, one of them writes, 4 messages under way",
        scenario="fanout",
        settings={"rooms": 1, "members": 1000, "window": 4},
        parties=(PARLEY, NATS, SOCKET_IO),
        claims=(against(NATS, 1.7, 2.0),),
    ),
    Trial(
        name="busy_room_w16",
        title="Busy rooms, 16 under way",
        state="two rooms of 100 members who all write in turn, 16 messages under way",
        scenario="fanout",
        settings={"rooms": 2, "members": 100, "window": 16, "writers": "all"},
        parties=(PARLEY, NATS, SOCKET_IO, NODE_WS),
        claims=(against(SOCKET_IO, 9, 12),),
    ),
)

CHAT = (
    Trial(
        name="pairs_w64",
        title="Chat in pairs, 64 under way",
        state="500 rooms of two who write in turn, 64 messages under way",
        scenario="pairs",
        settings={"rooms": 500, "members": 2, "window": 64},
        parties=(PARLEY, STORAGE_OFF, ON_HYPERCORN, NATS, SOCKET_IO, NODE_WS),
        claims=(against(SOCKET_IO, 1.0, 1.2, rate=MESSAGES),),
        rate=MESSAGES,
        cost="server_cpu_us_per_message",
        paces=(FULL, HALF),
    ),
    Trial(
        name="pairs_w256",
        title="Chat in pairs, 256 under way",
        state="500 rooms of two who write in turn, 256 messages under way",
        scenario="pairs",
        settings={"rooms": 500, "members": 2, "window": 256},
        parties=(PARLEY, SOCKET_IO, NODE_WS),
        claims=(against(SOCKET_IO, 1.2, 1.4, rate=MESSAGES),),
        rate=MESSAGES,
        cost="server_cpu_us_per_message",
    ),
)

REST = (
    Trial(
        name="rest_64",
        title="REST post, 64 connections",
        state="64 kept-alive connections, one request under way on each",
        scenario="post",
        settings={"conns": 64},
        parties=(*POSTS, *POSTS_BESIDE),
        claims=(
            against(NODE_HTTP, 0.9, 1.1, rate=MESSAGES),
            against(STARLETTE, 1.4, 1.6, rate=MESSAGES),
        ),
        rate=MESSAGES,
        cost="server_cpu_us_per_message",
        paces=(FULL, HALF),
    ),
    Trial(
        name="rest_256",
        title="REST post, 256 connections",
        state="256 kept-alive connections, one request under way on each",
        scenario="post",
        settings={"conns": 256},
        parties=(POSTS[0], POSTS_BESIDE[0]),
        claims=(against(NODE_HTTP, 1.3, rate=MESSAGES),),
        rate=MESSAGES,
        cost="server_cpu_us_per_message",
    ),
)

OVER_SSE = Party(PARLEY.peer, label="Parley over SSE", dialect="sse")
STREAMS = (
    Trial(
        name="sse_100_w16",
        title="Fan-out over SSE, 16 under way",
        state="one room of 100 who read, another writes, 16 messages under way",
        scenario="fanout",
        settings={"rooms": 1, "members": 100, "window": 16},
        parties=(PARLEY, OVER_SSE),
        claims=(against(PARLEY, 0.8, 1.0, party=OVER_SSE),),
        paces=(FULL, HALF),
    ),
)

ACKS = (
    Trial(
        name="ack",
        title="From a message to its answer",
        state="64 WebSockets that write to rooms of their own, at a tenth and at half of the rate "
        "that 64 messages under way reach; of Node ws, to the message that comes back",
        scenario="fanout",
        paced_scenario="ack",
        settings={"rooms": 64, "members": 1, "window": 64, "conns": 64},
        parties=(PARLEY, NODE_WS),
        claims=(
            Claim(
                "p50 at a tenth, in bare fsyncs of the same run",
                Figure(P50, PARLEY.name, TENTH),
                floor=2,
                over=Figure(BARE_FSYNC, PARLEY.name, TENTH),
                at_most=True,
                unit="fsyncs",
            ),
            Claim(
                "p50 at half, in commits of the same run",
                Figure(P50, PARLEY.name, HALF),
                floor=3,
                over=Figure(COMMIT_P50, PARLEY.name, HALF),
                at_most=True,
                unit="commits",
            ),
            Claim(
                "p99 at half above that of Node ws, in p99 of a commit of the same run",
                Figure(P99, PARLEY.name, HALF),
                floor=2,
                goal=1,
                less=Figure(P99, NODE_WS.name, HALF),
                over=Figure(COMMIT_P99, PARLEY.name, HALF),
                at_most=True,
                unit="commits",
            ),
        ),
        rate=MESSAGES,
        cost="server_cpu_us_per_message",
        paces=(FULL, TENTH, HALF),
    ),
)

IDLE = (
    Trial(
        name="idle_10000",
        title="Idle sockets",
        state="10,000 sockets, each authenticated and in one of 5,000 rooms, that say nothing",
        scenario="idle",
        settings={"conns": 10_000, "rooms": 5_000, "hold": 2},
        parties=(PARLEY, NATS, SOCKET_IO, NODE_WS),
        claims=(
            Claim(
                "memory of a socket",
                Figure("rss_per_conn_bytes", PARLEY.name),
                floor=3,
                goal=2,
                at_most=True,
                unit="KiB",
                scale=1 / 1024,
            ),
            Claim(
                "processor time to connect",
                Figure("connect_cpu_us_per_conn", PARLEY.name),
                floor=0.15,
                goal=0.10,
                at_most=True,
                unit="ms",
                scale=1 / 1000,
            ),
        ),
        rate="rss_per_conn_bytes",
        cost="connect_cpu_us_per_conn",
        repetitions_max=2,
        both_cores=False,
        quick={"conns": 1000, "rooms": 500, "hold": 0.5},
    ),
)

SLOW_MEMBERS = 50
SLOW_SECONDS = 12
"""The kernel takes some 2 MB for each of them before the server notices."""

SOME_SLOW = Party(
    PARLEY.peer,
    label="Parley, 5 % never read",
    settings={"slow": 0.05},
    paced_by=PARLEY.name,
    paced_scenario="slow",
)
SLOW = (
    Trial(
        name="slow",
        title="Members who never read",
        state="one room of 1,000 members, one writes, at half of the rate that 16 messages under "
        "way reach; 50 of them never read",
        scenario="fanout",
        settings={"rooms": 1, "members": 1000, "window": 16},
        paced_settings={"secs": SLOW_SECONDS},
        parties=(PARLEY, SOME_SLOW),
        claims=(
            Claim(
                "p99 of those who read, against that without the 50",
                Figure(P99, SOME_SLOW.name, HALF),
                floor=1.3,
                goal=1.1,
                over=Figure(P99, PARLEY.name, HALF),
                at_most=True,
            ),
            Claim(
                "memory that one of the 50 adds",
                Figure("server_rss_kib_after", SOME_SLOW.name, HALF),
                floor=512,
                goal=256,
                less=Figure("server_rss_kib_after", PARLEY.name, HALF),
                at_most=True,
                unit="KiB",
                scale=1 / SLOW_MEMBERS,
            ),
        ),
        paces=(FULL, HALF),
        repetitions_max=2,
        both_cores=False,
        quick={"secs": 1},
    ),
)

STORM = (
    Trial(
        name="storm_5000",
        title="Everybody comes back",
        state="5,000 sockets in 500 rooms are cut, miss 200 messages each and resume at once",
        scenario="storm",
        settings={"conns": 5000, "rooms": 500, "missed": 200},
        parties=(PARLEY,),
        claims=(
            Claim(
                "until everybody has everything, once",
                Figure("storm_seconds", PARLEY.name),
                floor=10,
                goal=5,
                at_most=True,
                unit="s",
            ),
        ),
        rate="storm_seconds",
        repetitions_max=2,
        both_cores=False,
        quick={"conns": 500, "rooms": 50, "missed": 50},
    ),
)

TRIALS: dict[str, Trial] = {
    trial.name: trial for trial in (*FAN_OUT, *CHAT, *REST, *STREAMS, *IDLE, *ACKS, *SLOW, *STORM)
}
