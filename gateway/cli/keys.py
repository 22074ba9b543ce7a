"""``parley keys``: tenants and their keys, with a server on the folder or without one."""

import json as json_module
from pathlib import Path
from typing import Any

import trio

from engine.auth.scopes import ENVIRONMENT_SCOPES, WORKSPACE_SCOPES
from gateway import logs
from gateway.cli.outcome import guarded
from gateway.cli.terminal import table
from gateway.config import Settings
from gateway.control.client import ask_or_hold


def list_keys(settings: Settings, *, workspace: str | None, json: bool) -> int:
    """Print every key but its secret."""
    return _asked(
        settings, "keys.list", {"workspace": workspace}, shown=_as_json if json else _listed
    )


def create_key(
    settings: Settings, *, workspace: str, environment: str, name: str, json: bool
) -> int:
    """Make a key and print it, the only time anybody sees it."""
    arguments = {"workspace": workspace, "environment": environment, "name": name}
    return _asked(settings, "keys.create", arguments, shown=_as_json if json else _key)


def create_workspace(settings: Settings, *, name: str, json: bool) -> int:
    """Make a workspace and print its three keys, the only time anybody sees them."""
    return _asked(
        settings,
        "workspaces.create",
        {"name": name},
        shown=_as_json if json else _workspace,
        new_folder=True,
    )


def rotate_master(settings: Settings, *, new_key_file: Path, json: bool) -> int:
    """Exchange the master key and say what to start with from now on."""
    arguments = {"new_key_file": str(new_key_file.absolute())}
    return _asked(settings, "keys.rotate_master", arguments, shown=_as_json if json else _rotated)


def _asked(
    settings: Settings,
    command: str,
    arguments: dict[str, Any],
    *,
    shown: Any,
    new_folder: bool = False,
) -> int:
    logs.set_up(settings.log_level)

    async def ask() -> None:
        print(shown(await ask_or_hold(settings, command, arguments, new_folder=new_folder)))

    return guarded(lambda: trio.run(ask))


def _as_json(value: Any) -> str:
    return json_module.dumps(value, ensure_ascii=False)


def _listed(value: Any) -> str:
    rows = [
        (
            key["id"],
            key["name"],
            key["environment"],
            f"…{key['hint']}",
            key["created_at"],
            _scopes(key["scopes"]),
        )
        for key in value["data"]
    ]
    heads = {key["workspace"]: key["workspace_name"] or "" for key in value["data"]}
    titles = ("ID", "NAME", "ENVIRONMENT", "ENDS IN", "CREATED", "SCOPES")
    parts = []
    for workspace, name in heads.items():
        own = [
            row
            for row, key in zip(rows, value["data"], strict=True)
            if key["workspace"] == workspace
        ]
        parts.append(f"{workspace}  {name}".rstrip() + "\n" + table([titles, *own]))
    return "\n\n".join(parts) or "There are no keys yet: `parley keys workspace NAME` makes some."


def _scopes(scopes: list[str]) -> str:
    every = (ENVIRONMENT_SCOPES, WORKSPACE_SCOPES)
    return "all" if frozenset(scopes) in every else " ".join(scopes)


def _key(value: Any) -> str:
    return f"{value['id']}\n{value['key']}"


def _rotated(value: Any) -> str:
    return (
        f"The keys of {value['workspaces']} workspaces are wrapped by the new master key.\n"
        f"Start with --master-key-file {value['master_key_file']} from now on."
    )


def _workspace(value: Any) -> str:
    lines = [f"workspace {value['workspace']}"]
    lines += [f"{environment:9} {key}" for environment, key in value["keys"].items()]
    return "\n".join(lines)
