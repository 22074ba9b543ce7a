"""The views of one environment: ``views/<name>@<schema>.db``, each a file of its own."""

import re
from pathlib import Path
from typing import Final

import msgspec
import trio

from persistence.errors import (
    StoreDamagedError,
    StoreError,
    StoreTooNewError,
    StoreUnavailableError,
)
from persistence.protocols.views import Declaration, View
from persistence.sqlite.database import translated
from persistence.sqlite.files import make_folder
from persistence.sqlite.view import OtherViewError, SqliteView, declared_in
from persistence.view_rules import Shape

_FILE: Final = re.compile(r"([a-z][a-z0-9_]*)@([1-9][0-9]{0,8})(\.next)?\.db", re.ASCII)
_SIDE_FILES = ("", "-wal", "-shm")


class SqliteViews:
    """Opens views, and swaps their files."""

    def __init__(self, folder: Path) -> None:
        """Keep them in ``folder``, which is made with the first one."""
        self._folder = folder
        self._is_open = False
        self._serving: list[SqliteView] = []

    def begin(self) -> None:
        """Let views be opened from now on: the store runs."""
        self._is_open = True

    async def open(self, declaration: Declaration, *, epoch: str, afresh: bool = False) -> View:
        Shape(declaration)
        self._check_open()
        path = self._path(declaration, afresh=afresh)

        def opened() -> SqliteView:
            with translated(f"the folder {self._folder} cannot be made"):
                make_folder(self._folder)
                if afresh:
                    _remove(path)
            return _opened(path, declaration, epoch)

        return await self._served(await trio.to_thread.run_sync(opened))

    async def older(self, declaration: Declaration, *, epoch: str) -> View | None:
        self._check_open()

        def opened() -> SqliteView | None:
            for path in self._files(declaration.name):
                found = None if path == self._path(declaration) else _as_it_says(path, epoch)
                if found is not None:
                    return found
            return None

        found = await trio.to_thread.run_sync(opened)
        return None if found is None else await self._served(found)

    async def settle(self, view: View) -> View:
        self._check_open()
        built = self._found(view)
        name = built.declaration.name

        def swapped() -> SqliteView:
            path = self._path(built.declaration)
            with translated(f"{path} cannot be swapped"):
                for other in self._files(name, with_next=True):
                    if other != built.path:
                        _remove(other)
                if built.path != path:
                    built.path.rename(path)  # closed, so that it has no side files
            return _opened(path, built.declaration, built.epoch)

        with trio.CancelScope(shield=True):
            for one in [one for one in self._serving if one.declaration.name == name]:
                await self._closed(one)
            found = await trio.to_thread.run_sync(swapped)
        return await self._served(found)

    async def discard(self, view: View) -> None:
        built = next((one for one in self._serving if one is view), None)
        if built is None:
            return
        with trio.CancelScope(shield=True):
            await self._closed(built)
            await trio.to_thread.run_sync(_remove, built.path)

    async def close(self) -> None:
        """Wait for what has begun, and close every view."""
        self._is_open = False
        for view in list(self._serving):
            await self._closed(view)

    async def _served(self, view: SqliteView) -> SqliteView:
        self._serving.append(view)
        if not self._is_open:  # the store was closed while it was being opened
            await self._closed(view)
            self._check_open()
        return view

    async def _closed(self, view: SqliteView) -> None:
        self._serving.remove(view)
        await view.close()

    def _found(self, view: View) -> SqliteView:
        return next(one for one in self._serving if one is view)

    def _path(self, declaration: Declaration, *, afresh: bool = False) -> Path:
        beside = ".next" if afresh else ""
        return self._folder / f"{declaration.name}@{declaration.schema}{beside}.db"

    def _files(self, name: str, *, with_next: bool = False) -> list[Path]:
        """Return the files of a view, those with the highest schema first."""
        found = [
            (int(parts[2]), path)
            for path in self._folder.glob(f"{name}@*.db")
            if (parts := _FILE.fullmatch(path.name)) and (with_next or not parts[3])
        ]
        return [path for _, path in sorted(found, reverse=True)]

    def _check_open(self) -> None:
        if not self._is_open:
            message = f"{self._folder}: the store is closed"
            raise StoreUnavailableError(message)


def _opened(path: Path, declaration: Declaration, epoch: str) -> SqliteView:
    """Open a view; what does not fit is thrown away, since it can be built again."""
    view = SqliteView(path, declaration, epoch)
    try:
        view.open()
    except (OtherViewError, StoreDamagedError, StoreTooNewError):
        view.close_now()
        _remove(path)
        view = SqliteView(path, declaration, epoch)
        view.open()
    return view


def _as_it_says(path: Path, epoch: str) -> SqliteView | None:
    """Open a view with the columns its file tells of; ``None`` if it does not fit."""
    try:
        declaration, its_epoch = declared_in(path)
        view = SqliteView(path, declaration, epoch)
        if its_epoch != epoch:
            return None
        view.open()
    except (OtherViewError, StoreError, ValueError, msgspec.MsgspecError):
        return None
    return view


def _remove(path: Path) -> None:
    """Remove a file and what SQLite keeps beside it; harmless when it has gone."""
    with translated(f"{path} cannot be removed"):
        for suffix in _SIDE_FILES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
