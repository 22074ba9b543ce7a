"""Handlers: what the server is, and how a command reaches a sandbox."""

import os
from importlib.metadata import version
from typing import Any

import msgspec
import trio

from engine.errors import NotFoundError
from engine.events.envelope import rfc3339
from gateway.control.context import Context, OnProgress


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command without arguments."""


async def status(context: Context, asked: Nothing, progress: OnProgress) -> Any:  # noqa: ARG001 - a handler
    """Return who holds the folder, and how new its newest record is."""
    engine, serving = context.engine, context.serving
    newest_ms = max([await one.log.last_time_ms() for one in engine.opened()], default=0)
    return {
        "pid": os.getpid(),
        "version": version("parley"),
        "data": str(context.data.resolve()),
        "url": serving.url if serving else None,
        "sandbox": bool(serving and serving.sandbox_key),
        "uptime_s": round(trio.current_time() - serving.started_s, 3) if serving else 0.0,
        "workspaces": len(await engine.workspaces()),
        "newest_record_at": rfc3339(newest_ms) if newest_ms else None,
    }


async def sandbox(context: Context, asked: Nothing, progress: OnProgress) -> Any:  # noqa: ARG001 - a handler
    """Return URL and test key of a ``parley dev``.

    Raises:
        NotFoundError: this is no sandbox; production gives no key away.
    """
    await trio.lowlevel.checkpoint()
    serving = context.serving
    if serving is None or serving.sandbox_key is None:
        detail = "the server on this folder is no sandbox: give a key in PARLEY_KEY"
        raise NotFoundError(detail)
    return {"url": serving.url, "secret_key": serving.sandbox_key}
