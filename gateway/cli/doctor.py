"""``parley doctor``: looks at everything that keeps a server from running well, changes nothing."""

import json as json_module
import os
from pathlib import Path
from typing import Any

import trio

from gateway.cli.checks import FAIL, OK, WARN, Finding, Surroundings, every_check
from gateway.cli.outcome import FAILED
from gateway.config import Settings
from gateway.control.client import ask
from gateway.control.errors import CommandError, NobodyListensError

MARKS = {OK: "ok  ", WARN: "warn", FAIL: "FAIL"}


def run(settings: Settings, *, json: bool) -> int:
    """Print what was found. Return 1 if a check has failed."""
    status, trouble = trio.run(_server, settings.data)
    surroundings = Surroundings(settings, dict(os.environ), Path.cwd(), status, trouble)
    findings = every_check(surroundings)
    failed = any(finding.level == FAIL for finding in findings)
    if json:
        rows = [
            {"check": one.check, "level": one.level, "detail": one.detail, "advice": one.advice}
            for one in findings
        ]
        print(json_module.dumps({"ok": not failed, "data": rows}, ensure_ascii=False))
    else:
        for finding in findings:
            print(_shown(finding))
    return FAILED if failed else 0


async def _server(data: Path) -> tuple[dict[str, Any] | None, str | None]:
    """Return what the server on the folder says of itself, or why it says nothing."""
    try:
        return await ask(data, "status"), None
    except NobodyListensError:
        return None, None
    except (CommandError, OSError) as error:
        return None, str(error)


def _shown(finding: Finding) -> str:
    line = f"{MARKS[finding.level]}  {finding.check:12}  {finding.detail}"
    if not finding.advice:
        return line
    return f"{line}\n{'':20}{finding.advice}"
