"""Handler: writes seeded conversations, each message once however often it is asked (shell)."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
import trio
from msgspec import Meta

from engine.actor.outcome import Origin
from engine.auth.scopes import ENVIRONMENT_SCOPES
from engine.conversation.service import NewMessage, stream_of
from engine.crypto import mac
from engine.engine import Engine
from engine.environment import Environment
from engine.errors import ForbiddenError, InvalidError, NotFoundError
from engine.principal import Principal
from gateway.control.context import Context, OnProgress
from gateway.control.keys import known_workspace
from gateway.control.scripts import MESSAGES_MIN, Line, Script, scripts
from gateway.limits import (
    PAGE_ITEMS_MAX,
    PROGRESS_SECONDS,
    SEED_CONVERSATIONS_AT_ONCE,
    SEED_CONVERSATIONS_MAX,
    SEED_MESSAGES_MAX,
)

RNG_MAX = 2**53


class Seed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Write the conversations of seed ``rng``."""

    workspace: str | None = None
    """``None`` = the only one there is."""
    environment: Literal["test", "live"] = "test"
    confirmed: bool = False
    """Whether the caller means it, for ``live``."""
    rng: Annotated[int, Meta(ge=-RNG_MAX, le=RNG_MAX)]
    conversations: Annotated[int, Meta(ge=1, le=SEED_CONVERSATIONS_MAX)]
    messages: Annotated[int, Meta(ge=MESSAGES_MIN, le=SEED_MESSAGES_MAX)]


class Tally:
    """How much of a seed is there, told at most every ``PROGRESS_SECONDS``."""

    def __init__(self, total: int, progress: OnProgress) -> None:
        """Count up to ``total`` messages."""
        self.total = total
        self.done = 0
        self.written = 0
        self._progress = progress
        self._told_at = -PROGRESS_SECONDS
        self._is_telling = False

    async def count(self, *, there: int = 0, written: int = 0) -> None:
        """Count messages that were there already, and messages that are on disk now."""
        self.done += there + written
        self.written += written
        is_due = trio.current_time() - self._told_at >= PROGRESS_SECONDS
        if is_due and not self._is_telling:  # whoever is slow to listen holds up one of us alone
            self._told_at, self._is_telling = trio.current_time(), True
            try:
                await self._progress(self.done, self.total)
            finally:
                self._is_telling = False


async def seed(context: Context, asked: Seed, progress: OnProgress) -> Any:
    """Write every message of the seed that is not there yet; return how many were.

    Raises:
        ForbiddenError: the environment is ``live`` and nobody said that this is meant.
        NotFoundError, InvalidError: there is no such workspace, none, or more than one.
    Cancellation: what is written stays; the same command writes the rest.
    """
    if asked.environment == "live" and not asked.confirmed:
        detail = "this would write into live: say so with --environment live --yes"
        raise ForbiddenError(detail)
    workspace = await _workspace(context.engine, asked.workspace)
    environment = await context.engine.environment(workspace, asked.environment)
    wanted = scripts(asked.rng, conversations=asked.conversations, messages=asked.messages)
    every = tuple(wanted)
    tally = Tally(sum(len(script.lines) for script in every), progress)
    await write(environment, every, tally)
    await progress(tally.done, tally.total)
    return {
        "workspace": workspace,
        "environment": asked.environment,
        "conversations": len(every),
        "messages": tally.total,
        "written": tally.written,
    }


async def write(environment: Environment, wanted: Iterable[Script], tally: Tally) -> None:
    """Write what is missing of ``wanted``, several conversations side by side."""
    remaining = iter(wanted)

    async def work() -> None:
        for script in remaining:
            await _write(environment, script, tally)

    async with trio.open_nursery() as nursery:
        for _ in range(SEED_CONVERSATIONS_AT_ONCE):
            nursery.start_soon(work)


async def _write(environment: Environment, script: Script, tally: Tally) -> None:
    """Write one conversation. Its log tells which lines it has, however long ago they came."""
    principal = _principal(environment)
    conversation_id, _ = environment.conversations.resolve(principal, script.conversation)
    known = await _command_keys(environment, conversation_id)
    for at, line in enumerate(script.lines):
        key = mac(b"parley seed", f"{script.conversation} {at}".encode(), 16)
        if key in known:
            await tally.count(there=1)
            continue
        origin = Origin(principal.subject, command_key=key, fingerprint=key)
        new = _message(line)
        await environment.conversations.post(principal, script.conversation, new, origin)
        await tally.count(written=1)


async def _command_keys(environment: Environment, conversation_id: str) -> set[bytes]:
    """Return the command keys on a conversation's log: an actor forgets them after a day."""
    found: set[bytes] = set()
    after = 0
    while True:
        events = await environment.log.read(
            stream_of(conversation_id), after=after, limit=PAGE_ITEMS_MAX
        )
        found |= {event.command_key for event in events if event.command_key}
        if len(events) < PAGE_ITEMS_MAX:
            return found
        after = events[-1].version


def _message(line: Line) -> NewMessage:
    return NewMessage(text=line.text, author=line.author, visibility=line.visibility)


def _principal(environment: Environment) -> Principal:
    return Principal(
        workspace=environment.workspace,
        environment=environment.name,
        key_id="system",
        subject="system",
        scopes=ENVIRONMENT_SCOPES,
        staff=True,
    )


async def _workspace(engine: Engine, wanted: str | None) -> str:
    if wanted is not None:
        return await known_workspace(engine, wanted)
    known = await engine.workspaces()
    if not known:
        detail = "there is no workspace yet: make one with `parley keys workspace NAME`"
        raise NotFoundError(detail)
    if len(known) > 1:
        detail = f"say which workspace with --workspace: {', '.join(known[:8])}"
        raise InvalidError(detail)
    return known[0]
