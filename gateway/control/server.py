"""Listens on the control socket of a data folder, for as long as its lock is held (shell)."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from engine.errors import InvalidError, ParleyError
from gateway.control import address, messages
from gateway.control.commands import carry_out
from gateway.control.context import Context
from gateway.control.messages import Line, Problem, Progress, Result
from gateway.limits import (
    CONTROL_CONNECTIONS_MAX,
    CONTROL_REFUSED_SECONDS,
    CONTROL_REQUEST_BYTES_MAX,
    CONTROL_REQUEST_SECONDS,
    CONTROL_WRITE_SECONDS,
)

LOG = logging.getLogger("parley.control")

PRIVATE_UMASK = 0o177
PEER_HAS_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


class ControlServer:
    """Carries out the commands of the folder's owner, each on a connection of its own."""

    def __init__(self, context: Context, *, uids: frozenset[int] | None = None) -> None:
        """Serve ``uids``: by default the user that runs this process, and root."""
        self._context = context
        self._uids = frozenset({os.geteuid(), 0}) if uids is None else uids
        self._open = 0

    async def serve(
        self, stopping: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Take commands until ``stopping`` is set; those under way go on until cancelled.

        The caller holds the lock of the data folder, so a socket that lies there is nobody's.

        Raises:
            OSError: the socket cannot be made.
        """
        listener = trio.SocketListener(_bind(self._context.data))
        file = self._context.data / address.FILE_NAME
        made = file.lstat()
        try:
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    serve = partial(
                        trio.serve_listeners, self._talk, [listener], handler_nursery=connections
                    )
                    accepting.start_soon(serve)
                    task_status.started()
                    await stopping.wait()
                    accepting.cancel_scope.cancel()
                _remove(file, made)
        finally:
            _remove(file, made)

    async def _talk(self, stream: trio.SocketStream) -> None:
        """Serve one connection; whatever happens on it touches no other."""
        self._open += 1
        try:
            async with stream:
                await self._answer(stream)
        except* PEER_HAS_GONE:
            LOG.debug("a command has left")
        except* Exception as group:
            LOG.exception("a connection of the control socket failed", exc_info=group)
        finally:
            self._open -= 1

    async def _answer(self, stream: trio.SocketStream) -> None:
        uid = address.peer_uid(stream.socket)
        if uid is not None and uid not in self._uids:
            LOG.warning("refused a command of another user", extra={"uid": uid})
            await _refuse(stream, Problem("forbidden", "the data folder belongs to another user"))
            return
        if self._open > CONTROL_CONNECTIONS_MAX:
            await _refuse(stream, Problem("overloaded", "too many commands at once; try again"))
            return
        try:
            line = await _request_line(stream)
        except InvalidError as error:
            await _refuse(stream, Problem(error.code, error.detail))
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_it_leaves, stream, nursery.cancel_scope)
            await _say(stream, await self._outcome(stream, line))
            nursery.cancel_scope.cancel()

    async def _outcome(self, stream: trio.SocketStream, line: bytes) -> Line:
        async def progress(done: int, total: int) -> None:
            await _say(stream, Progress(done, total))

        try:
            request = messages.decode_request(line)
            return Result(await carry_out(self._context, request, progress))
        except Exception as error:  # noqa: BLE001 - every one is told, and logged where it is ours
            return _problem(error)


def _problem(error: Exception) -> Problem:
    """Return what the peer is told; a handler with a nursery fails with a group.

    Raises:
        trio.BrokenResourceError: it is the peer itself that has gone.
    """
    causes = tuple(_causes(error))
    if any(
        isinstance(cause, trio.BrokenResourceError | trio.ClosedResourceError) for cause in causes
    ):
        raise trio.BrokenResourceError from error
    first = causes[0]
    if isinstance(first, ParleyError) and all(isinstance(one, ParleyError) for one in causes):
        return Problem(first.code, first.detail)
    LOG.error("a command failed", exc_info=error)
    return Problem("internal", "the command failed on the server's side; see its log")


def _causes(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _causes(one)
    else:
        yield error


async def _say(stream: trio.SocketStream, line: Line) -> None:
    """Send one line; a peer that does not take it in time has left."""
    with trio.move_on_after(CONTROL_WRITE_SECONDS) as deadline:
        await stream.send_all(messages.encode(line))
    if deadline.cancelled_caught:
        raise trio.BrokenResourceError


async def _refuse(stream: trio.SocketStream, problem: Problem) -> None:
    """Send a problem, and take what the peer still says: a reset would overtake our answer."""
    await _say(stream, problem)
    await stream.send_eof()
    remaining = CONTROL_REQUEST_BYTES_MAX
    with trio.move_on_after(CONTROL_REFUSED_SECONDS):  # noqa: ASYNC912 - it reads at least once
        while remaining > 0 and (chunk := await stream.receive_some(CONTROL_REQUEST_BYTES_MAX)):
            remaining -= len(chunk)


async def _request_line(stream: trio.SocketStream) -> bytes:
    received = b""
    with trio.move_on_after(CONTROL_REQUEST_SECONDS):  # noqa: ASYNC912 - it reads at least once
        while b"\n" not in received and len(received) <= CONTROL_REQUEST_BYTES_MAX:
            chunk = await stream.receive_some(CONTROL_REQUEST_BYTES_MAX)
            if not chunk:
                break
            received += chunk
    line, found, more = received.partition(b"\n")
    if not found or more or len(line) > CONTROL_REQUEST_BYTES_MAX:
        detail = (
            f"a request is one line of at most {CONTROL_REQUEST_BYTES_MAX} bytes, "
            f"sent within {CONTROL_REQUEST_SECONDS:g} seconds"
        )
        raise InvalidError(detail)
    return line


async def _until_it_leaves(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """Cancel ``scope`` when the peer leaves, or says more than its request."""
    with suppress(*PEER_HAS_GONE):
        await stream.receive_some(1)
    scope.cancel()


def _bind(folder: Path) -> trio.socket.SocketType:
    """Return a socket that listens in ``folder``; what lies there is of a process that was killed.

    Nobody else ever sees it with a wider mode than 0600: the mask holds while it is made.
    """
    (folder / address.FILE_NAME).unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        mask = os.umask(PRIVATE_UMASK)
        try:
            with address.socket_path(folder) as path:
                made.bind(path)
        finally:
            os.umask(mask)
        made.listen(CONTROL_CONNECTIONS_MAX)
    except BaseException:
        made.close()
        raise
    return trio.socket.from_stdlib_socket(made)


def _remove(file: Path, made: os.stat_result) -> None:
    """Remove our own socket's file; harmless when it has gone or is another server's."""
    with suppress(FileNotFoundError):
        if os.path.samestat(file.lstat(), made):
            file.unlink()
