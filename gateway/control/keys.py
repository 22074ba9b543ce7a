"""Handlers: tenants and their keys."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.auth.service import Credential
from engine.engine import Engine
from engine.errors import ForbiddenCharacterError, NotFoundError
from engine.events.envelope import rfc3339
from gateway.control.context import Context, OnProgress
from gateway.limits import NAME_CHARACTERS_MAX

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
EnvironmentName = Literal["test", "live", "workspace"]
ENVIRONMENTS: tuple[EnvironmentName, ...] = ("live", "test", "workspace")


class ListKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """List the keys of a workspace, or of all."""

    workspace: str | None = None


class CreateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make one more key."""

    workspace: str
    environment: EnvironmentName
    name: Name


class CreateWorkspace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make a tenant with its first three keys."""

    name: Name


async def list_keys(context: Context, asked: ListKeys, progress: OnProgress) -> Any:  # noqa: ARG001 - a handler
    """Return every key, oldest first, and never a secret.

    Raises:
        NotFoundError: there is no such workspace.
    """
    engine = context.engine
    workspaces = await engine.workspaces()
    if asked.workspace is not None:
        workspaces = [await known_workspace(engine, asked.workspace)]
    return {
        "data": [
            _shown(engine, credential)
            for workspace in workspaces
            for credential in engine.credentials.of_workspace(workspace)
        ]
    }


async def create_key(context: Context, asked: CreateKey, progress: OnProgress) -> Any:  # noqa: ARG001 - a handler
    """Make a key and return it: the only time anybody sees it.

    Raises:
        NotFoundError: there is no such workspace.
        ForbiddenCharacterError: the name holds what does not print.
    """
    engine = context.engine
    _check_name(asked.name)
    workspace = await known_workspace(engine, asked.workspace)
    return await _made(engine, workspace, asked.environment, asked.name)


async def create_workspace(context: Context, asked: CreateWorkspace, progress: OnProgress) -> Any:  # noqa: ARG001 - a handler
    """Make a tenant and return its id and its three keys: the only time anybody sees them.

    Raises:
        ForbiddenCharacterError: the name holds what does not print.
    """
    engine = context.engine
    _check_name(asked.name)
    workspace = await engine.create_workspace(asked.name)
    keys = {
        environment: (await _made(engine, workspace, environment, f"first {environment}"))["key"]
        for environment in ENVIRONMENTS
    }
    return {"workspace": workspace, "name": asked.name, "keys": keys}


async def known_workspace(engine: Engine, workspace: str) -> str:
    """Return the id of a workspace that is there.

    Raises:
        NotFoundError: there is none of this id.
    """
    if workspace not in await engine.workspaces():
        detail = f"there is no workspace {workspace[:64]!r}; `parley keys list` shows what there is"
        raise NotFoundError(detail)
    return workspace


async def _made(
    engine: Engine, workspace: str, environment: EnvironmentName, name: str
) -> dict[str, Any]:
    text = await engine.create_key(workspace, environment, name=name)
    credential = engine.credentials.find(text)
    if credential is None:
        detail = "a key that was made is not known"
        raise AssertionError(detail)
    return {**_shown(engine, credential), "key": text}


def _shown(engine: Engine, credential: Credential) -> dict[str, Any]:
    return {
        "id": credential.id,
        "name": credential.name,
        "workspace": credential.workspace,
        "workspace_name": engine.credentials.name_of(credential.workspace),
        "environment": credential.environment,
        "scopes": sorted(credential.principal.scopes),
        "hint": credential.hint,
        "created_at": rfc3339(credential.created_ms),
    }


def _check_name(name: str) -> None:
    if not name.isprintable():
        detail = "a name has printable characters only"
        raise ForbiddenCharacterError(detail)
