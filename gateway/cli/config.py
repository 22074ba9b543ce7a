"""``parley config``: every setting, its value and where it comes from."""

import json as json_module
from typing import Any

from gateway.cli.terminal import table
from gateway.config import Settings, Witness, explained


def run(settings: Settings, witness: Witness, *, json: bool) -> int:
    """Print the settings. Return the exit status."""
    found = explained(settings, witness)
    if json:
        rows = [
            {"name": one.name, "value": _plain(one.value), "source": one.source, "help": one.help}
            for one in found
        ]
        print(json_module.dumps({"data": rows}, ensure_ascii=False))
        return 0
    titles = ("SETTING", "VALUE", "FROM", "WHAT")
    lines = [(one.name, _text(one.value), one.source, one.help) for one in found]
    print(table([titles, *lines]))
    return 0


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, int | str) else str(value)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(value) or "-"
    return "-" if value is None else str(value)
