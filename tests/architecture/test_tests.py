"""Tests neither sleep nor look away."""

import ast
from collections.abc import Iterator

from tests.architecture.source import Source, parse

LOOKS_AWAY = {"importorskip", "skip", "skipIf", "skipTest", "skipUnless", "skipif", "xfail"}


def is_test(source: Source) -> bool:
    return source.path.parts[0] == "tests"


def borrowed(source: Source, modules: set[str]) -> dict[str, str]:
    """Return local name → dotted name, for ``modules`` and for what is imported from them."""
    found: dict[str, str] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in modules:
                    found[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    first, *rest = ast.unparse(node).split(".")
    return ".".join([names.get(first, first), *rest])


def sleeps(source: Source) -> Iterator[str]:
    names = borrowed(source, {"time", "trio"})
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func, names)
        seconds = [*node.args, *(keyword.value for keyword in node.keywords)][:1]
        constant = [value.value for value in seconds if isinstance(value, ast.Constant)]
        if called == "time.sleep" or (called == "trio.sleep" and constant not in ([], [0])):
            yield source.at(node.lineno, "a test waits for what it expects, not for time to pass")


def looks_away(source: Source) -> Iterator[str]:
    names = borrowed(source, {"pytest", "unittest"})
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, *rest = dotted(node, names).split(".")
            if first in {"pytest", "unittest"} and rest and rest[-1] in LOOKS_AWAY:
                yield source.at(node.lineno, f"{rest[-1]}: a test runs and passes, or goes")


def test_no_test_sleeps(sources: tuple[Source, ...]) -> None:
    assert [fault for source in sources if is_test(source) for fault in sleeps(source)] == []


def test_a_test_that_sleeps_is_seen() -> None:
    for text in (
        "import trio\nasync def test(): await trio.sleep(0.1)",
        "import trio\nasync def test(): await trio.sleep(seconds=1)",
        "from trio import sleep\nasync def test(): await sleep(2)",
        "from trio import sleep as nap\nasync def test(): await nap(2)",
        "import time\ndef test(): time.sleep(0)",
        "import time as t\ndef test(): t.sleep(delay)",
        "from time import sleep\ndef test(): sleep(1)",
    ):
        assert list(sleeps(parse("tests/test_a.py", text))) != [], text
    for text in (
        "import trio\nasync def test(): await trio.sleep(0)",
        "import trio\nasync def test(): await trio.sleep(POLL_S)",
        "import trio\nasync def test(): await trio.sleep_forever()",
    ):
        assert list(sleeps(parse("tests/test_a.py", text))) == [], text


def test_no_test_looks_away(sources: tuple[Source, ...]) -> None:
    assert [fault for source in sources if is_test(source) for fault in looks_away(source)] == []


def test_a_test_that_looks_away_is_seen() -> None:
    for text in (
        "import pytest\n@pytest.mark.skip\ndef test(): ...",
        "import pytest\n@pytest.mark.skipif(True, reason='')\ndef test(): ...",
        "import pytest\n@pytest.mark.xfail(strict=True)\ndef test(): ...",
        "import pytest\npytestmark = pytest.mark.skip",
        "import pytest\ndef test(): pytest.skip('later')",
        "import pytest\nnats = pytest.importorskip('nats')",
        "from pytest import mark\n@mark.skip\ndef test(): ...",
        "from pytest import skip\ndef test(): skip('later')",
    ):
        assert list(looks_away(parse("tests/test_a.py", text))) != [], text
    assert list(looks_away(parse("tests/test_a.py", "page.skip(3)"))) == []
