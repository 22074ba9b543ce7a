"""What is measured; one module a scenario, and this table of them."""

from bench.scenario import Scenario
from bench.scenarios import (
    append_batch,
    chat_pairs,
    fan_out,
    idle_sockets,
    rest_post,
    send_ok,
)

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        send_ok.SCENARIO,
        rest_post.SCENARIO,
        fan_out.SCENARIO,
        chat_pairs.SCENARIO,
        idle_sockets.SCENARIO,
        append_batch.SCENARIO,
    )
}
