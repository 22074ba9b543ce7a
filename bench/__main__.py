"""``python -m bench``: measure a server of this tree on this machine."""

import sys
from functools import partial
from typing import Annotated

import trio
from cyclopts import App, Parameter

from bench import report
from bench.scenarios import send_ok

SCENARIOS = {send_ok.NAME: send_ok.run}
app = App(name="bench", help="Measure a server of this tree. Let nothing else run meanwhile.")


@app.default
def main(
    *scenarios: Annotated[str, Parameter(help="Which; none = all of them.")],
    seconds: Annotated[float, Parameter(help="Of each load.")] = 4.0,
    connections: Annotated[int, Parameter(help="How many clients write at once.")] = 16,
) -> int:
    """Run scenarios, print their tables and keep their results."""
    void = False
    for name in scenarios or SCENARIOS:
        result = trio.run(partial(SCENARIOS[name], seconds=seconds, connections=connections))
        report.show(result)
        print(f"kept in {report.keep(result).relative_to(report.RESULTS.parents[1])}")
        void = void or result["void"]
    return int(void)


if __name__ == "__main__":
    sys.exit(app(result_action="return_value"))
