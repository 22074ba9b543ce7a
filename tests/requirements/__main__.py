"""``make requirements``: run the marked tests, say what is covered, and write the page."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.requirements.page import coverage, page, summary, uncovered
from tests.requirements.plugin import MARK, OPTION, PASSED
from tests.requirements.table import groups

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/requirements.md"


def gathered(*options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit status of pytest over the marked tests, and its report."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        chosen = ("-q", "-m", MARK, OPTION, str(path), "-p", "no:cacheprovider", *options)
        run = subprocess.run((sys.executable, "-m", "pytest", *chosen), cwd=ROOT, check=False)
        return run.returncode, json.loads(path.read_text(encoding="utf-8"))


def main() -> int:
    """Return 0 if every marked test passed."""
    status, report = gathered()
    table, covered = groups(), coverage(report, counts=PASSED)
    say = sys.stdout.write
    say("\nNot covered:\n")
    for line in uncovered(table, covered):
        say(f"  {line}\n")
    for test, found in report.items():
        if found["outcomes"] != [PASSED]:
            say(f"Counts for nothing: {test} ({', '.join(found['outcomes'])})\n")
    for title, done, lines in summary(table, covered):
        say(f"{title}: {done} of {lines}\n")
    PAGE.write_text(page(table, covered), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
