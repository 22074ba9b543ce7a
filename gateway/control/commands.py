"""The commands of the control socket, in one table."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from engine.errors import InvalidError, NotFoundError
from gateway.control import keys, rotating, seeding, status, views
from gateway.control.context import Context, OnProgress
from gateway.control.messages import Request


@dataclass(frozen=True, slots=True)
class Command:
    """What a command takes, and what carries it out."""

    arguments: type[msgspec.Struct]
    handler: Callable[[Context, Any, OnProgress], Awaitable[Any]]


COMMANDS: Mapping[str, Command] = {
    "keys.list": Command(keys.ListKeys, keys.list_keys),
    "keys.create": Command(keys.CreateKey, keys.create_key),
    "keys.rotate_master": Command(rotating.RotateMaster, rotating.rotate_master),
    "workspaces.create": Command(keys.CreateWorkspace, keys.create_workspace),
    "seed": Command(seeding.Seed, seeding.seed),
    "views.list": Command(views.ListViews, views.list_views),
    "views.rebuild": Command(views.RebuildViews, views.rebuild_views),
    "status": Command(status.Nothing, status.status),
    "sandbox": Command(status.Nothing, status.sandbox),
}


async def carry_out(context: Context, request: Request, progress: OnProgress) -> Any:
    """Return what the command answers: something that JSON can say.

    Raises:
        NotFoundError: there is no such command.
        InvalidError: its arguments are wrong.
        ParleyError: what the command itself refuses or fails with.
    """
    command = COMMANDS.get(request.command)
    if command is None:
        detail = f"there is no command {request.command[:64]!r}: is the server older?"
        raise NotFoundError(detail)
    try:
        asked = msgspec.json.decode(request.arguments, type=command.arguments)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidError(f"{request.command}: {error}") from error
    return await command.handler(context, asked, progress)
