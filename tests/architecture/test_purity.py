"""Rules are pure: they await nothing, read no clock, dice or network, and do not log."""

import ast
from collections.abc import Iterator

from tests.architecture.source import Source, feature_folders, parse

SHELL = {"actor.py", "sender.py", "service.py"}
SHELL_FOLDER = "service"
PURE_FILES = {
    "engine/log/codec.py",
    "engine/log/cursor.py",
    "gateway/fanout/forms.py",
    "gateway/fanout/lapses.py",
    "gateway/fanout/losing_access.py",
    "gateway/fanout/presences.py",
    "gateway/realtime/protocol.py",
    "gateway/fanout/roll.py",
    "gateway/fanout/signals.py",
    "gateway/fanout/typists.py",
    "gateway/server/addresses.py",
    "gateway/server/admission.py",
    "gateway/server/asgi_messages.py",
    "gateway/server/chunked_body.py",
    "gateway/server/handshake.py",
    "gateway/server/http1.py",
    "gateway/server/proxy_protocol.py",
    "gateway/server/request_head.py",
    "gateway/server/websocket.py",
}
PURE_FOLDERS = {"gateway/realtime/dialects"}
IMPURE_MODULES = {
    "asyncio",
    "logging",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "time",
    "trio",
}
IMPURE_CALLS = {
    "date.today",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "os.urandom",
    "uuid.uuid1",
    "uuid.uuid4",
}
WAITS = (ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith, ast.Await)


def is_rules(source: Source, features: frozenset[str]) -> bool:
    path = source.path.as_posix()
    of_a_feature = any(path.startswith(f"{folder}/") for folder in features)
    return (
        (of_a_feature and source.path.name not in SHELL and source.path.parts[2] != SHELL_FOLDER)
        or path in PURE_FILES
        or source.folder in PURE_FOLDERS
    )


def impurities(source: Source) -> Iterator[str]:
    for found in source.imports():
        for module in sorted(IMPURE_MODULES):
            if found.names(module):
                yield source.at(found.line, f"rules import {module}")
    for node in ast.walk(source.tree):
        if isinstance(node, WAITS):
            yield source.at(node.lineno, "rules await nothing")
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            for call in sorted(IMPURE_CALLS):
                if called == call or called.endswith(f".{call}"):
                    yield source.at(node.lineno, f"rules call {call}")


def reaches_past_the_events(source: Source, features: frozenset[str]) -> Iterator[str]:
    own = next(
        (folder for folder in features if source.path.as_posix().startswith(f"{folder}/")), ""
    )
    if not own:
        return
    for found in source.imports():
        for folder in sorted(features - {own}):
            package = folder.replace("/", ".")
            events = found.names(f"{package}.events")
            if found.names(package) and not events:
                yield source.at(found.line, f"of {package} only its events may be imported")


def test_rules_are_pure(sources: tuple[Source, ...]) -> None:
    features = feature_folders(sources)
    rules = [source for source in sources if is_rules(source, features)]
    assert [fault for source in rules for fault in impurities(source)] == []


def test_an_impure_rule_is_seen() -> None:
    for text in (
        "import trio",
        "import trio.lowlevel as low",
        "from time import monotonic",
        "def f():\n    import random",
        "from secrets import token_bytes",
        "import logging.handlers",
        "import socket",
        "import datetime\nnow = datetime.datetime.now(datetime.UTC)",
        "from datetime import datetime\nnow = datetime.utcnow()",
        "async def decide(): ...",
    ):
        assert list(impurities(parse("engine/auth/transitions.py", text))) != [], text
    assert list(impurities(parse("engine/auth/a.py", "import timeit, datetime"))) == []


def test_rules_are_told_from_shell_by_name() -> None:
    features = feature_folders((parse("engine/auth/events.py", ""), parse("engine/log/log.py", "")))
    assert features == {"engine/auth"}
    for path, rules in {
        "engine/auth/transitions.py": True,
        "engine/auth/views/seats.py": True,
        "engine/auth/actor.py": False,
        "engine/auth/service.py": False,
        "engine/auth/sender.py": False,
        "engine/auth/service/posting.py": False,
        "engine/auth/views/service/posting.py": True,
        "engine/log/log.py": False,
        "engine/log/codec.py": True,
        "engine/log/cursor.py": True,
        "gateway/realtime/protocol.py": True,
        "gateway/realtime/session.py": False,
        "gateway/realtime/dialects/json.py": True,
    }.items():
        assert is_rules(parse(path, ""), features) is rules, path


def test_a_feature_knows_of_another_only_its_events(sources: tuple[Source, ...]) -> None:
    features = feature_folders(sources)
    faults = [fault for source in sources for fault in reaches_past_the_events(source, features)]
    assert faults == []


def test_a_feature_that_reaches_into_another_is_seen() -> None:
    features = frozenset({"engine/auth", "engine/conversation"})

    def faults(text: str) -> list[str]:
        return list(reaches_past_the_events(parse("engine/auth/service.py", text), features))

    assert faults("from engine.conversation.state import State") != []
    assert faults("from engine.conversation import State") != []
    assert faults("import engine.conversation") != []
    assert faults("from engine import conversation") != []
    assert faults("from ..conversation import state") != []
    assert faults("from engine.conversation import events") == []
    assert faults("from engine.conversation.events import MessageCreated") == []
    assert faults("from engine.auth.state import State") == []
