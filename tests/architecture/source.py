"""The Python source of the repository, parsed but never imported."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = frozenset({"__pycache__", "build", "dist", "node_modules"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """``from base import name`` or, without a name, ``import base``; relative ones resolved."""

    base: str
    name: str
    line: int

    def names(self, package: str) -> bool:
        """Say whether the import reaches into ``package``, in either spelling."""
        dotted = f"{self.base}.{self.name}" if self.name else self.base
        return any(
            path == package or path.startswith(f"{package}.") for path in (self.base, dotted)
        )


@dataclass(frozen=True)
class Source:
    """One file: where it lies below the root, what it says, and its syntax tree."""

    path: PurePosixPath
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @property
    def folder(self) -> str:
        """The folder, as a path below the root."""
        return self.path.parent.as_posix()

    def at(self, line: int, fault: str) -> str:
        """Return ``fault`` with the place where it stands."""
        return f"{self.path}:{line}: {fault}"

    def imports(self) -> Iterator[Import]:
        """Yield every import of the file, wherever it stands."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, "", node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._resolved(node)
                yield from (Import(base, alias.name, node.lineno) for alias in node.names)

    def functions(self) -> Iterator[Function]:
        """Yield every function of the file, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def _resolved(self, node: ast.ImportFrom) -> str:
        if node.level == 0:
            return node.module or ""
        package = self.path.parent.parts[: len(self.path.parent.parts) - node.level + 1]
        return ".".join([*package, *([node.module] if node.module else [])])


def parse(path: str, text: str) -> Source:
    """Return the source of one file; tests plant faults with it."""
    return Source(PurePosixPath(path), text, ast.parse(text))


def repository(root: Path = ROOT) -> tuple[Source, ...]:
    """Return every Python file below ``root``, but for hidden folders and what tools have built."""
    found = sorted(root.rglob("*.py"))
    paths = [path.relative_to(root) for path in found]
    return tuple(
        parse(path.as_posix(), (root / path).read_text(encoding="utf-8"))
        for path in paths
        if not any(part.startswith(".") or part in _NOT_OURS for part in path.parts)
    )


def feature_folders(sources: tuple[Source, ...]) -> frozenset[str]:
    """Return the folders of the engine that publish events: those are the features."""
    return frozenset(
        source.folder
        for source in sources
        if source.path.name == "events.py" and source.path.parts[0] == "engine"
    )
