"""The command line. Each command's work is in the module of its name."""

import sys
from typing import Annotated

from cyclopts import App, Parameter

from gateway.config import SOURCES, Settings

app = App(
    name="parley",
    help="Self-hosted realtime messaging for support platforms.",
    config=SOURCES,
    version_flags=["--version"],
)
keys = App(name="keys", help="Make tenants and keys.")
app.command(keys)

AllSettings = Annotated[Settings, Parameter(name="*")]
DEFAULTS = Settings()


@app.command
def dev(
    *,
    settings: AllSettings = DEFAULTS,
    json: Annotated[bool, Parameter(help="Print one JSON line when ready.", negative="")] = False,
    seed: Annotated[bool, Parameter(help="Begin with a few conversations.")] = True,
) -> int:
    """Start a sandbox on the embedded store and print how to use it."""
    from gateway.cli.dev import run

    return run(settings, json=json, seed=seed)


@app.command
def serve(*, settings: AllSettings = DEFAULTS) -> int:
    """Serve in production: refuses unsafe settings and prints no secret."""
    from gateway.cli.serve import run

    return run(settings)


@keys.command
def workspace(*, settings: AllSettings = DEFAULTS) -> int:
    """Make a tenant, and print its keys once."""
    from gateway.cli.keys import run

    return run(settings)


def main() -> None:
    """Run the command that argv names, and exit with its status."""
    sys.exit(app(result_action="return_value"))
