"""Names, sizes and places of files."""

import ast
from collections.abc import Iterator

from tests.architecture.source import Source, parse

TOP_LEVEL_PACKAGES = {"bench", "engine", "gateway", "persistence", "tests"}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
REFUSED_NAMES = {"common", "core", "helper", "helpers", "manager", "managers", "util", "utils"}
REFUSED_CLASS_SUFFIXES = ("Helper", "Helpers", "Manager", "Util", "Utils")


def too_long(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield source.at(1, f"{lines} lines, at most {FILE_LINES_MAX}")
    for function in source.functions():
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield source.at(
                function.lineno, f"{function.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"
            )


def says_nothing(source: Source) -> Iterator[str]:
    for part in source.path.with_suffix("").parts:
        if part in REFUSED_NAMES or part.rsplit("_", 1)[-1] in REFUSED_NAMES:
            yield source.at(1, f"the name {part} does not say what is inside")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and node.name.endswith(REFUSED_CLASS_SUFFIXES):
            yield source.at(node.lineno, f"the name {node.name} does not say what the class is")


def top_level(sources: tuple[Source, ...]) -> set[str]:
    return {source.path.parts[0] for source in sources}


def test_files_and_functions_stay_short(sources: tuple[Source, ...]) -> None:
    assert [fault for source in sources for fault in too_long(source)] == []


def test_a_long_file_is_seen() -> None:
    assert list(too_long(parse("engine/a.py", "x = 1\n" * FILE_LINES_MAX))) == []
    assert list(too_long(parse("engine/a.py", "x = 1\n" * (FILE_LINES_MAX + 1)))) != []


def test_a_long_function_is_seen() -> None:
    body = "    x = 1\n"
    longest = "async def f():\n" + body * (FUNCTION_LINES_MAX - 1)
    assert list(too_long(parse("engine/a.py", longest))) == []
    assert list(too_long(parse("engine/a.py", longest + body))) != []


def test_names_say_something(sources: tuple[Source, ...]) -> None:
    assert [fault for source in sources for fault in says_nothing(source)] == []


def test_a_name_that_says_nothing_is_seen() -> None:
    for path in ("engine/utils.py", "engine/core/log.py", "gateway/http_helpers.py"):
        assert list(says_nothing(parse(path, ""))) != [], path
    for name in ("SessionManager", "TimeUtils", "LogHelper"):
        assert list(says_nothing(parse("engine/a.py", f"class {name}: ..."))) != [], name
    assert list(says_nothing(parse("engine/score.py", "class ManagerLeft: ..."))) == []


def test_the_top_level_packages_are_these_and_no_others(sources: tuple[Source, ...]) -> None:
    assert top_level(sources) == TOP_LEVEL_PACKAGES


def test_a_stray_package_is_seen() -> None:
    strays = (parse("stray/log.py", ""), parse("setup.py", ""))
    assert top_level(strays) - TOP_LEVEL_PACKAGES == {"stray", "setup.py"}


def test_every_folder_of_python_is_a_package(sources: tuple[Source, ...]) -> None:
    packages = {source.folder for source in sources if source.path.name == "__init__.py"}
    folders = {source.folder for source in sources}
    assert folders - packages == set(), "an __init__.py is missing"
