"""What is measured; one module a scenario, and this table of them."""

from bench.scenario import Scenario
from bench.scenarios import append_batch, fan_out, send_ok

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        send_ok.SCENARIO,
        fan_out.SCENARIO,
        append_batch.SCENARIO,
    )
}
