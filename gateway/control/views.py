"""Handlers: the views of every workspace, and building them anew."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from engine.bus.consumer import Consumer
from engine.engine import ENVIRONMENTS, Engine
from engine.errors import NotFoundError
from gateway.control.context import Context, OnProgress
from gateway.control.keys import known_workspace


class ListViews(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Say how far the views are."""

    workspace: str | None = None
    """``None`` = every one."""
    environment: Literal["test", "live"] | None = None
    """``None`` = both."""


class RebuildViews(ListViews, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Build views anew."""

    name: str | None = None
    """``None`` = every one."""


async def list_views(context: Context, asked: ListViews, progress: OnProgress) -> Any:  # noqa: ARG001 - a handler
    """Return every view with its schema, its position and its lag.

    Raises:
        NotFoundError: there is no such workspace.
    """
    found = await _consumers(context.engine, asked)
    return {"data": [_shown(*one) for one in found]}


async def rebuild_views(context: Context, asked: RebuildViews, progress: OnProgress) -> Any:
    """Build views anew, one after the other, each beside the one that goes on answering.

    Raises:
        NotFoundError: there is no such workspace, or no view of that name.
        BusyError: one of them is being built already.
    Cancellation: views that are done stay; the one that was being built is thrown away.
    """
    found = await _consumers(context.engine, asked)
    wanted = [one for one in found if asked.name in {None, one[2].name}]
    if not wanted:
        names = ", ".join(sorted({consumer.name for _, _, consumer in found}))
        detail = f"there is no view {asked.name!r:.64}; there are {names or 'none'}"
        raise NotFoundError(detail)
    lags = [consumer.position + max(consumer.lag, 0) for _, _, consumer in wanted]
    done, total = 0, sum(lags)
    for (_, _, consumer), size in zip(wanted, lags, strict=True):
        base = done

        async def told(position: int, head: int, *, base: int = base, size: int = size) -> None:
            await progress(base + min(position, size), max(total, base + min(position, head)))

        await consumer.rebuild(told)
        done += size
    return {"data": [_shown(*one) for one in wanted]}


async def _consumers(engine: Engine, asked: ListViews) -> list[tuple[str, str, Consumer]]:
    """Return workspace, environment and consumer of every view that is meant; opens them."""
    workspaces: Iterable[str] = await engine.workspaces()
    if asked.workspace is not None:
        workspaces = [await known_workspace(engine, asked.workspace)]
    found = []
    for workspace in workspaces:
        for name in (asked.environment,) if asked.environment else ENVIRONMENTS:
            environment = await engine.environment(workspace, name)
            for consumer in environment.consumers.values():
                await consumer.opened()
                found.append((workspace, name, consumer))
    return found


def _shown(workspace: str, environment: str, consumer: Consumer) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "environment": environment,
        "name": consumer.name,
        "schema": consumer.schema,
        "position": consumer.position,
        "lag": consumer.lag,
        "stopped": consumer.failed,
    }
