"""``parley tail``: follows a server with the realtime client, and prints what happens."""

import getpass
import os
import signal
import sys
from dataclasses import dataclass, replace
from datetime import datetime

import trio

from gateway import logs
from gateway.cli.outcome import guarded
from gateway.cli.terminal import harmless
from gateway.client.frames import Event, Received
from gateway.client.realtime import Lost, Ready, RefusedError, Reset, State, following
from gateway.config import Settings
from gateway.control.client import ask
from gateway.control.errors import CommandError, NobodyListensError

FROM_STDIN = "-"
DIM, BOLD, YELLOW, PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[33m", "\x1b[0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for. The key stays out of its text."""

    url: str | None
    key: str | None
    conversation: str | None
    events: tuple[str, ...]
    since: str | None

    def __repr__(self) -> str:
        return f"Wanted({self.url}, {self.conversation}, {self.events}, {self.since})"


class CannotFollowError(OSError):
    """There is no server to follow, or it will not have us. The message says what to do."""


class Printer:
    """Prints events on stdout, and what becomes of the connection on stderr."""

    def __init__(self, *, json: bool) -> None:
        """Print JSON, or lines for people: in colours when somebody looks at them."""
        self._json = json
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._was_lost = False

    def event(self, received: Received) -> None:
        """Print one event."""
        if self._json:
            sys.stdout.buffer.write(received.json + b"\n")
        else:
            sys.stdout.buffer.write(self._line(received.event).encode() + b"\n")
        sys.stdout.buffer.flush()

    def state(self, state: State) -> None:
        """Say what becomes of the connection."""
        match state:
            case Ready(environment=environment) if self._was_lost:
                self._was_lost = False
                self._say(f"connected to {environment} again; nothing was missed")
            case Ready(environment=environment):
                self._say(f"following {environment}; Ctrl-C ends it")
            case Lost(reason=reason, retry_s=retry_s):
                self._was_lost = True
                self._say(f"{harmless(reason)}; trying again in {retry_s:.1f} s")
            case Reset():
                self._say("the log was replaced by another one: this is it from its beginning")

    def _say(self, words: str) -> None:
        print(f"parley: {words}", file=sys.stderr, flush=True)

    def _line(self, event: Event) -> str:
        data = event.data
        moment = datetime.fromisoformat(event.time).astimezone().strftime("%H:%M:%S")
        where = data.get("conversation_external_id") or data.get("external_id")
        author = data.get("author")
        who = author.get("id", "") if isinstance(author, dict) else ""
        parts = [
            self._in(DIM, moment),
            harmless(str(where or event.conversation or "-")),
            self._in(BOLD, harmless(str(who))) if who else "",
            harmless(str(data["text"])) if "text" in data else self._in(DIM, event.type),
        ]
        if data.get("visibility") == "note":
            parts.insert(3, self._in(YELLOW, "(note)"))
        return "  ".join(part for part in parts if part)

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self._colours else text


def run(settings: Settings, wanted: Wanted, *, json: bool) -> int:
    """Follow until Ctrl-C. Return the exit status."""
    logs.set_up("warning")
    if wanted.key == FROM_STDIN:
        wanted = replace(wanted, key=_asked_for_key())
    return guarded(lambda: trio.run(_until_interrupted, settings, wanted, Printer(json=json)))


async def _until_interrupted(settings: Settings, wanted: Wanted, printer: Printer) -> None:
    wanted = await _resolved(settings, wanted)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_at_signal, nursery.cancel_scope)
        try:
            await _follow(wanted, printer)
        except BrokenPipeError:
            # Whoever read our lines has enough; Python would complain when it flushes at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        nursery.cancel_scope.cancel()


async def _follow(wanted: Wanted, printer: Printer) -> None:
    try:
        async with following(
            wanted.url or "",
            wanted.key or "",
            conversation=wanted.conversation,
            events=wanted.events,
            after=wanted.since,
            on_state=printer.state,
        ) as events:
            async for received in events:
                printer.event(received)
    except RefusedError as refusal:
        status = f"{refusal.status}: " if refusal.status else ""
        raise CannotFollowError(status + harmless(str(refusal))) from refusal
    except ValueError as error:
        raise CannotFollowError(str(error)) from error


async def _cancel_at_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


async def _resolved(settings: Settings, wanted: Wanted) -> Wanted:
    """Return ``wanted`` with URL and key; what is missing comes from the server on the folder.

    The key of a sandbox goes to that sandbox and nowhere else.

    Raises:
        CannotFollowError: no server is there to ask, or it gives no key away.
    """
    if wanted.url is not None and wanted.key is not None:
        return wanted
    if wanted.url is not None:
        raise CannotFollowError(
            "give the server's key in PARLEY_KEY, or --key - to be asked for it"
        )
    command = "sandbox" if wanted.key is None else "status"
    try:
        found = await ask(settings.data, command)
    except NobodyListensError as error:
        message = (
            f"no server runs on {settings.data}: start `parley dev`, name its folder with --data, "
            "or give --url and PARLEY_KEY"
        )
        raise CannotFollowError(message) from error
    except CommandError as error:
        raise CannotFollowError(str(error)) from error
    return replace(wanted, url=found["url"], key=wanted.key or found["secret_key"])


def _asked_for_key() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Key: ").strip()
    return sys.stdin.readline().strip()
