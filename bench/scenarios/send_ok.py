"""From ``message.create`` on a WebSocket to its ``ok``, which says that it is on disk."""

from bench.figures import Phase
from bench.scenario import Bench, Scenario
from bench.scenarios.posting import Posting

RATES = (50, 200, 500, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 12000)
RATES_QUICK = (200,)
CONNECTIONS = 16
WINDOW = 16


def run(bench: Bench) -> tuple[list[Phase], dict[str, float | str]]:
    """Measure."""
    with bench.serving() as running:
        posting = Posting(bench, running, connections=CONNECTIONS, window=WINDOW)
        phases = posting.phases(tuple(bench.of(RATES, RATES_QUICK)))
    return phases, {"connections": CONNECTIONS, "window_per_connection": WINDOW}


SCENARIO = Scenario(
    name="send_ok",
    title="Send to ok, over WebSocket",
    about=(
        "Every connection writes to a conversation of its own. The `ok` of a message leaves when "
        "the message is on disk."
    ),
    unit="messages",
    latency_of="from the intended send to the `ok`",
    run=run,
)
