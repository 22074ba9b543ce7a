"""Handler: another master key, while everything goes on."""

from pathlib import Path
from typing import Any

import msgspec

from engine.errors import InvalidError
from gateway import master_key
from gateway.config import UnsafeSettingsError
from gateway.control.context import Context, OnProgress


class RotateMaster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wrap the workspaces' keys with the key in a file."""

    new_key_file: str
    """An absolute path, read by whoever holds the folder."""


async def rotate_master(context: Context, asked: RotateMaster, progress: OnProgress) -> Any:  # noqa: ARG001 - a handler
    """Rotate, and return how many workspaces there are.

    Raises:
        InvalidError: the file holds no key, or others can read it.
        ConflictError: it is the master key already.
        StorageError, OutcomeUnknownError: see ``WorkspaceKeys.rotate``.
    """
    file = Path(asked.new_key_file)
    try:
        key = master_key.read(file)
    except UnsafeSettingsError as error:
        raise InvalidError(str(error)) from error
    return {"workspaces": await context.engine.rotate_master(key), "master_key_file": str(file)}
