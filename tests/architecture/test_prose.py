"""What is said about the code: docstrings where others call, and no open ends in comments."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from tests.architecture.source import Source, parse

DOCUMENTED_PACKAGES = {"engine", "gateway", "persistence"}
SEAMS = "persistence/protocols"
BACKEND_DEPTH = 3
OPEN_END = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
TOLD_ELSEWHERE = {"overload", "override", "setter", "deleter"}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield the public functions and classes, and the public methods of those classes."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from definitions(node.body, owner)
        elif isinstance(node, Definition) and not node.name.startswith("_"):
            yield owner, node
            if isinstance(node, ast.ClassDef):
                yield from definitions(node.body, node.name)


def is_told_elsewhere(node: Definition) -> bool:
    names = {ast.unparse(decorator).rsplit(".", 1)[-1] for decorator in node.decorator_list}
    return not TOLD_ELSEWHERE.isdisjoint(names)


def promised(sources: tuple[Source, ...]) -> frozenset[str]:
    """Return the methods that the seams document, once for every backend."""
    return frozenset(
        node.name
        for source in sources
        if source.folder == SEAMS
        for owner, node in definitions(source.tree.body)
        if owner and ast.get_docstring(node)
    )


def is_backend(source: Source) -> bool:
    parts = source.path.parts
    return parts[0] == "persistence" and len(parts) >= BACKEND_DEPTH and source.folder != SEAMS


def undocumented(source: Source, promises: frozenset[str]) -> Iterator[str]:
    if source.path.parts[0] not in DOCUMENTED_PACKAGES:
        return
    if source.text and not ast.get_docstring(source.tree):
        yield source.at(1, "the module has no docstring")
    for owner, node in definitions(source.tree.body):
        kept = is_told_elsewhere(node) or (owner and is_backend(source) and node.name in promises)
        if not kept and not ast.get_docstring(node):
            yield source.at(node.lineno, f"{owner or 'the module'}: {node.name} has no docstring")


def open_ends(source: Source) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and OPEN_END.search(token.string):
            yield source.at(token.start[0], "open work is an issue, not a comment")
    for node in ast.walk(source.tree):
        if isinstance(node, Definition | ast.Module):
            told = ast.get_docstring(node)
            if told and OPEN_END.search(told):
                yield source.at(
                    getattr(node, "lineno", 1), "open work is an issue, not a docstring"
                )


def test_everything_public_is_documented(sources: tuple[Source, ...]) -> None:
    promises = promised(sources)
    assert [fault for source in sources for fault in undocumented(source, promises)] == []


def test_a_missing_docstring_is_seen() -> None:
    for text in (
        "x = 1",
        '"""M."""\ndef f(): ...',
        '"""M."""\nasync def f(): ...',
        '"""M."""\nclass C: ...',
        '"""M."""\nclass C:\n    """C."""\n    def f(self): ...',
        '"""M."""\nif x:\n    def f(): ...',
    ):
        assert list(undocumented(parse("engine/a.py", text), frozenset())) != [], text
    for text in (
        "",
        '"""M."""\ndef _f(): ...',
        '"""M."""\ndef f():\n    """F."""\n    def g(): ...',
        '"""M."""\nclass C:\n    """C."""\n    @override\n    def f(self): ...',
    ):
        assert list(undocumented(parse("engine/a.py", text), frozenset())) == [], text


def test_a_backend_may_leave_the_docstring_to_the_seam() -> None:
    seam = '"""M."""\nclass Log(Protocol):\n    """L."""\n    def head(self):\n        """H."""'
    promises = promised((parse("persistence/protocols/log.py", seam),))
    backend = '"""M."""\nclass Log:\n    """L."""\n    def head(self): ...'
    other = backend + "\n    def tail(self): ..."
    assert list(undocumented(parse("persistence/sqlite/log.py", backend), promises)) == []
    assert list(undocumented(parse("persistence/sqlite/log.py", other), promises)) != []
    assert list(undocumented(parse("engine/log.py", backend), promises)) != []


def test_there_are_no_open_ends(sources: tuple[Source, ...]) -> None:
    assert [fault for source in sources for fault in open_ends(source)] == []


def test_an_open_end_is_seen() -> None:
    for word in ("TODO", "FIXME", "XXX", "HACK"):
        assert list(open_ends(parse("engine/a.py", f"x = 1  # {word}: later"))) != [], word
        assert list(open_ends(parse("engine/a.py", f'"""{word} later."""'))) != [], word
    assert list(open_ends(parse("engine/a.py", 'x = "TODO"  # a todo list'))) == []
