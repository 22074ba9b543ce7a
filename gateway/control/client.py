"""Asks the server that holds a data folder; without one, holds the folder and does it (shell)."""

from pathlib import Path
from typing import Any

import trio

from engine.errors import MalformedError, NotFoundError
from gateway.compose import Node
from gateway.config import Settings, UnsafeSettingsError
from gateway.control import address, messages
from gateway.control.commands import carry_out
from gateway.control.context import Context, OnProgress
from gateway.control.errors import CommandError, NobodyListensError
from gateway.control.messages import Problem, Progress, Request, Result
from gateway.limits import (
    CONTROL_ANSWER_BYTES_MAX,
    CONTROL_REQUEST_SECONDS,
    CONTROL_SILENCE_SECONDS,
    FOLDER_WAIT_SECONDS,
)
from persistence.errors import StoreLockedError

FOLDER_POLL_SECONDS = 0.05


async def no_progress(done: int, total: int) -> None:
    """Tell nobody how far a command is."""
    del done, total
    await trio.lowlevel.checkpoint()


async def ask(
    data: Path,
    command: str,
    arguments: dict[str, Any] | None = None,
    *,
    progress: OnProgress = no_progress,
) -> Any:
    """Return what the server on the folder ``data`` answers.

    Raises:
        NobodyListensError: there is no server, or none with a socket.
        CommandError: the server refused, failed, or was stopped before it answered.
        OSError: the socket cannot be used.
    Cancellation: ends the command on the server too; what it has done stays.
    """
    stream = await _connected(data)
    async with stream:
        return await _asked(stream, messages.request(command, arguments or {}), progress)


async def ask_or_hold(
    settings: Settings,
    command: str,
    arguments: dict[str, Any],
    *,
    progress: OnProgress = no_progress,
    new_folder: bool = False,
) -> Any:
    """Return what the server on the folder answers, or do it here when none holds it.

    Args:
        settings: of which ``data`` names the folder; the master key is read only when no server is
            there.
        command: a name in the table of commands.
        arguments: of the command.
        progress: told how far a long command is.
        new_folder: whether the command may make the folder.

    Raises:
        StoreLockedError: a process without a socket holds the folder, and keeps it.
        ParleyError, CommandError, StoreError, UnsafeSettingsError, OSError: as the command has it.
    """
    if settings.store == "memory":
        raise UnsafeSettingsError("--store memory would forget it at once; use sqlite")
    if not new_folder and not settings.data.is_dir():
        detail = (
            f"there is no data folder {settings.data} yet: start `parley dev`, "
            "or make a tenant with `parley keys workspace NAME`"
        )
        raise NotFoundError(detail)
    gives_up_at = trio.current_time() + FOLDER_WAIT_SECONDS
    while True:
        try:
            return await ask(settings.data, command, arguments, progress=progress)
        except NobodyListensError:
            is_last = trio.current_time() >= gives_up_at
        try:
            return await _held(settings, messages.request(command, arguments), progress)
        except* StoreLockedError:
            if is_last:
                raise
        await trio.sleep(FOLDER_POLL_SECONDS)


async def _held(settings: Settings, request: Request, progress: OnProgress) -> Any:
    """Run an engine on the folder for the time of one command."""
    node = Node(settings)
    async with trio.open_nursery() as nursery:
        await nursery.start(node.engine.run)
        value = await carry_out(Context(node.engine, settings.data), request, progress)
        nursery.cancel_scope.cancel()
    return value


async def _connected(data: Path) -> trio.SocketStream:
    connecting = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    try:
        with trio.fail_after(CONTROL_REQUEST_SECONDS), address.socket_path(data) as path:
            await connecting.connect(path)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        connecting.close()
        raise NobodyListensError(str(data)) from error
    except trio.TooSlowError as error:
        connecting.close()
        detail = f"the server on {data} does not take commands"
        raise CommandError("unreachable", detail) from error
    except BaseException:
        connecting.close()
        raise
    return trio.SocketStream(connecting)


async def _asked(stream: trio.SocketStream, request: Request, progress: OnProgress) -> Any:
    received = b""
    try:
        await stream.send_all(messages.encode(request))
        while True:
            line, received = await _next_line(stream, received)
            match messages.decode_line(line):
                case Progress(done=done, total=total):
                    await progress(done, total)
                case Result(value=value):
                    return value
                case Problem(code=code, detail=detail):
                    raise CommandError(code, detail)
    except MalformedError as error:
        raise CommandError(error.code, error.detail) from error
    except (trio.BrokenResourceError, trio.TooSlowError) as error:
        detail = "the server ended before it answered; run the command again"
        raise CommandError("unanswered", detail) from error


async def _next_line(stream: trio.SocketStream, received: bytes) -> tuple[bytes, bytes]:
    """Return the next line and what came behind it.

    Raises:
        trio.BrokenResourceError: the server has gone, or its line has no end.
        trio.TooSlowError: it says nothing for too long.
    """
    parts = [received]
    size = len(received)
    while b"\n" not in parts[-1]:
        with trio.fail_after(CONTROL_SILENCE_SECONDS):
            chunk = await stream.receive_some(65_536)
        size += len(chunk)
        if not chunk or size > CONTROL_ANSWER_BYTES_MAX:
            raise trio.BrokenResourceError
        parts.append(chunk)
    line, _, rest = b"".join(parts).partition(b"\n")
    return line, rest
