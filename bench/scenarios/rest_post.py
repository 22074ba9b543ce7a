"""``POST /v1/conversations/{id}/messages``, one request at a time on each kept-alive connection."""

from bench.figures import Phase
from bench.load.writers import Requests
from bench.scenario import Bench, Scenario
from bench.scenarios.posting import Posting

RATES = (50, 200, 500, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 12000)
RATES_QUICK = (200,)
CONNECTIONS = 64


def run(bench: Bench) -> tuple[list[Phase], dict[str, float | str]]:
    """Measure."""
    connections = 8 if bench.quick else CONNECTIONS
    with bench.serving() as running:
        posting = Posting(bench, running, Requests, connections=connections, window=1)
        phases = posting.phases(tuple(bench.of(RATES, RATES_QUICK)))
    return phases, {"connections": connections, "window_per_connection": 1}


SCENARIO = Scenario(
    name="rest_post",
    title="REST post",
    about=(
        "Every kept-alive connection writes to a conversation of its own, one request at a time. "
        "`201` comes when the message is on disk. A server that ends a connection is connected to "
        "again, and that time counts."
    ),
    unit="requests",
    latency_of="from the intended send to the last byte of the `201`",
    run=run,
)
