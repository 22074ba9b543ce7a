"""The limit of open files: raised where that may be, and otherwise spoken of."""

import json
import subprocess
import sys

PROBE = """
import json, resource, sys
from gateway.server.open_files import make_room
soft, hard, connections = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
said = make_room(connections)
print(json.dumps([said, *resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


def probe(soft: int, hard: int, connections: int) -> tuple[str | None, int, int]:
    """Return what is said, and the limits after, in a process with limits of its own."""
    words = [sys.executable, "-c", PROBE, str(soft), str(hard), str(connections)]
    found = subprocess.run(words, check=True, capture_output=True, text=True)
    said, soft_after, hard_after = json.loads(found.stdout)
    return said, soft_after, hard_after


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    assert probe(256, 2_000, 1_000) == (None, 2_000, 2_000)


def test_a_limit_that_is_enough_stays() -> None:
    assert probe(2_000, 2_000, 1_488) == (None, 2_000, 2_000)


def test_a_limit_that_is_too_low_is_spoken_of_with_what_to_do() -> None:
    said, soft, hard = probe(256, 2_000, 20_000)
    assert (soft, hard) == (2_000, 2_000)
    assert said == (
        "at most 2,000 files may be open, which is room for about 1,488 connections, not for "
        "20,000: set LimitNOFILE=20512 (systemd) or ulimit -n 20512, or lower --max-connections"
    )


def test_one_file_too_few_is_too_few() -> None:
    said, *_ = probe(2_000, 2_000, 1_489)
    assert said is not None
    assert "1,488" in said
