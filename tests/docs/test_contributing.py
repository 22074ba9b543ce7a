"""What is told to contributors holds: paths, commands, hooks, and the diff that adds an API."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # it publishes no types

ROOT = Path(__file__).parents[2]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
WORKFLOW = ROOT / ".github/workflows/ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"
ADDING = ROOT / "docs/adding-an-api.patch"
FOLDERS = ("bench", "docs", "engine", "gateway", "persistence", "tests")
FILES = ("README.md", "pyproject.toml")
TARGET = re.compile(r"^([a-z]+):.*?## ", re.MULTILINE)
PATH = re.compile(r"`((?:bench|docs|engine|gateway|persistence|tests)/[\w./-]*)`")
FILE = re.compile(r"^diff --git a/(\S+) b/\1$\n", re.MULTILINE)
HUNK = re.compile(r"^@@ .*$\n", re.MULTILINE)


class PatchError(Exception):
    """The patch does not fit the code."""


@dataclass(frozen=True)
class Change:
    """What a patch does to one file: each text is found once and replaced by the other."""

    path: str
    is_new: bool
    hunks: tuple[tuple[str, str], ...]

    def apply(self, tree: Path) -> None:
        path = tree / self.path
        if self.is_new:
            if path.exists():
                raise PatchError(f"{self.path} is there already")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(after for _, after in self.hunks), encoding="utf-8")
            return
        text = path.read_text(encoding="utf-8")
        for before, after in self.hunks:
            if text.count(before) != 1:
                raise PatchError(f"{self.path} does not hold once:\n{before}")
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")


def changes(patch: str) -> Iterator[Change]:
    """Yield what a patch in git's own form does; line numbers are not looked at."""
    _, *files = FILE.split(patch)
    for path, text in zip(files[::2], files[1::2], strict=True):
        head, *hunks = HUNK.split(text)
        yield Change(path, "new file" in head, tuple(map(sides, hunks)))


def sides(hunk: str) -> tuple[str, str]:
    """Return the lines a hunk expects to find, and those it leaves."""
    lines = hunk.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    return before, "".join(line[1:] for line in lines if line[0] in " +")


def targets() -> set[str]:
    return set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))


def steps(workflow: Any) -> list[str]:
    return [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]


def commands_of(target: str) -> list[list[str]]:
    """Return the command lines of a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None, target
    return [shlex.split(line) for line in recipe[1].splitlines()]


def test_the_diff_that_adds_an_api_makes_one_that_works(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "results")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    made = list(changes(ADDING.read_text(encoding="utf-8")))
    for change in made:
        change.apply(tmp_path)
    own = [c.path for c in made if c.is_new and Path(c.path).name.startswith("test_")]
    assert own, "it brings tests of its own"
    chosen = (*own, "tests/architecture", "tests/docs/test_examples.py")
    ended = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_diff_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\none\n", encoding="utf-8")
    for patch in (
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-three\n+four\n",
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-one\n+four\n",
        "diff --git a/a.py b/a.py\nnew file mode 100644\n+++ b/a.py\n@@ -0,0 +1 @@\n+four\n",
    ):
        (unfit,) = changes(patch)
        with pytest.raises(PatchError):
            unfit.apply(tmp_path)
    fitting = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -2 +2 @@\n-two\n+four\n"
    for change in changes(fitting):
        change.apply(tmp_path)
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "one\nfour\none\n"


def test_every_path_that_contributors_are_told_of_is_there() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    added = {change.path for change in changes(ADDING.read_text(encoding="utf-8"))}
    told = set(PATH.findall(text))
    assert len(told) > 20, "the places are named by their paths"
    assert [p for p in sorted(told - added) if not (ROOT / p).exists()] == []


def test_every_make_target_that_contributors_are_told_of_is_there() -> None:
    told = set(re.findall(r"`make ([a-z]+)", CONTRIBUTING.read_text(encoding="utf-8")))
    assert told >= {"setup", "test", "check", "requirements"}
    assert told <= targets()


def test_the_workflow_runs_what_a_contributor_runs() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert steps(workflow) == ["make setup", "make check", "make test"]
    assert {step.removeprefix("make ") for step in steps(workflow)} <= targets()
    assert workflow["on"].keys() == {"push", "pull_request"}
    assert workflow["permissions"] == {"contents": "read"}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    versions = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert settings["project"]["requires-python"] == f">={versions[0]}"
    used = [step["with"] for step in workflow["jobs"]["test"]["steps"] if "with" in step]
    (cached,) = [options["cache-dependency-path"] for options in used if "cache" in options]
    assert (ROOT / cached).exists()


def test_the_hooks_are_the_tools_of_make_check_and_no_others() -> None:
    told = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in told["repos"]] == ["local"]
    checks = [command[:2] for command in commands_of("check")]
    hooks = [shlex.split(hook["entry"]) for hook in told["repos"][0]["hooks"]]
    for entry in hooks:
        assert any(entry[: len(check)] == check or entry == check[:1] for check in checks), entry
    assert {entry[0] for entry in hooks} == {command[0] for command in checks}
