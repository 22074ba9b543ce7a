"""One realtime connection: reads frames, asks the engine, pours what comes back (shell).

The dialogue is ``protocol``'s, the words are a dialect's, the bytes go through ``Outbound``.
"""

import logging

import trio

from engine import ids
from engine.errors import ParleyError
from engine.events.envelope import rfc3339_seconds
from gateway.api.contract import Caller
from gateway.dispatch import Dispatcher
from gateway.limits import AUTH_SECONDS, HEARTBEAT_SECONDS
from gateway.realtime import protocol
from gateway.realtime.answers import Answers
from gateway.realtime.commands import Commands
from gateway.realtime.dialects.dialect import Dialect
from gateway.realtime.outbound import ClientTooSlowError, Outbound
from gateway.realtime.protocol import Close, Phase
from gateway.realtime.transport import PeerLeftError, Transport
from gateway.streams.stream import end_of

LOG = logging.getLogger("parley.realtime")

RESTART_RETRY_AFTER_S = 2


class Session:
    """The server's side of one dialogue."""

    def __init__(
        self,
        transport: Transport,
        dispatcher: Dispatcher,
        dialect: Dialect,
        *,
        stopping: trio.Event,
        caller: Caller | None,
        traceparent: str | None = None,
    ) -> None:
        """Speak over ``transport``; ``caller`` is known when the Authorization header named it."""
        self._transport = transport
        self._dialect = dialect
        self._dispatcher = dispatcher
        self._stopping = stopping
        self._caller = caller
        self._traceparent = traceparent
        self._dialogue = protocol.Dialogue()
        self._outbound = Outbound(heartbeat=dialect.encode("ping", {}))
        self._answers = Answers(self._outbound, dialect)
        self._commands: Commands | None = None
        self._reading = True
        self._closing = (Close.NORMAL, "")

    async def run(self) -> None:
        """Serve the connection until either side ends it; a failure ends this connection alone."""
        try:
            async with trio.open_nursery() as nursery:
                try:
                    await self._serve(nursery)
                finally:
                    # While the nursery is open: an answer that is still to come may start a task.
                    self._let_go()
        except Exception as error:
            LOG.exception("a connection failed", exc_info=error)
            await self._transport.close(Close.RESTART.code, "something failed on our side")

    async def _serve(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(self._pour, nursery)
        nursery.start_soon(self._end_at_stop)
        if self._caller is not None:
            self._begin(self._caller, nursery, ref=None)
        try:
            if await self._authenticated(nursery):
                await self._read(nursery)
        except PeerLeftError:
            nursery.cancel_scope.cancel()

    async def _authenticated(self, nursery: trio.Nursery) -> bool:
        """Read until the peer has said who it is; ``False`` when it ended or took too long."""
        with trio.move_on_after(AUTH_SECONDS) as deadline:  # noqa: ASYNC912 - NEW is the first phase
            while self._dialogue.phase is Phase.NEW:
                await self._handle(await self._transport.receive(), nursery)
        if deadline.cancelled_caught:
            self._end(Close.NO_AUTH, "no credential in time")
        return self._dialogue.phase is Phase.READY

    async def _read(self, nursery: trio.Nursery) -> None:
        while self._dialogue.phase is Phase.READY:
            raw = await self._transport.receive()
            if self._reading:
                await self._handle(raw, nursery)

    async def _handle(self, raw: bytes | str, nursery: trio.Nursery) -> None:
        """Do what one message asks; a refusal is an answer, with the ``ref`` of its frame."""
        frame: protocol.AnyFrame | None = None
        try:
            frame = self._dialect.decode(raw)
            self._dialogue.check(frame)
            if isinstance(frame, protocol.Auth):
                await self._auth(frame, nursery)
            elif isinstance(frame, protocol.Ping):
                self._answers.answer("pong", frame.ref)
            elif self._commands is not None and not isinstance(frame, protocol.Pong):
                await self._commands.carry_out(frame)
        except ParleyError as error:
            self._answers.refuse(frame.ref if frame else self._dialect.ref_of(raw), error)
            if protocol.is_bad_frame(error) and self._dialogue.spoiled():
                self._end(Close.BAD_FRAMES, "too many bad frames")

    async def _auth(self, frame: protocol.Auth, nursery: trio.Nursery) -> None:
        try:
            self._caller = await self._dispatcher.caller_of(frame.token)
        except ParleyError as error:
            self._answers.refuse(frame.ref, error)
            self._end(Close.FORBIDDEN, "the credential was refused")
        else:
            self._begin(self._caller, nursery, ref=frame.ref)

    def _begin(self, caller: Caller, nursery: trio.Nursery, *, ref: protocol.Ref) -> None:
        """Go from NEW to READY, and end when the key does."""
        principal = caller.principal
        self._dialogue.begin()
        self._commands = Commands(
            caller,
            self._dispatcher,
            self._dialect,
            outbound=self._outbound,
            nursery=nursery,
            traceparent=self._traceparent,
        )
        expires = principal.expires_s
        if expires is not None:
            nursery.start_soon(self._end_at_expiry, end_of(principal))
        self._answers.answer(
            "ready",
            ref,
            connection=ids.type_id("con", ids.new_uuid()),
            heartbeat_ms=round(HEARTBEAT_SECONDS * 1000),
            environment=principal.environment,
            subject=principal.subject,
            audience=principal.audience,
            scopes=sorted(principal.scopes),
            expires_at=rfc3339_seconds(expires) if expires is not None else None,
        )

    def _let_go(self) -> None:
        if self._commands is not None:
            self._commands.end()

    def _end(self, close: Close, reason: str) -> None:
        """Say goodbye, and close when everything before it has been sent."""
        if self._dialogue.phase is Phase.ENDED:
            return
        self._dialogue.phase = Phase.ENDED
        self._reading = False
        self._closing = (close, reason)
        self._let_go()  # nothing that happens from now on is for this connection
        self._answers.answer(
            "bye",
            None,
            code=close.code,
            reason=reason,
            reconnect=close.reconnect,
            retry_after=RESTART_RETRY_AFTER_S if close.reconnect else None,
        )
        self._outbound.finish()

    async def _end_at_expiry(self, moment: float) -> None:
        await trio.sleep_until(moment)
        self._end(Close.FORBIDDEN, "the key has expired")

    async def _end_at_stop(self) -> None:
        """Take no more frames, answer the commands that are under way, and say goodbye."""
        await self._stopping.wait()
        self._reading = False
        if self._commands is not None:
            await self._commands.settle()
        self._end(Close.RESTART, "the server is restarting")

    async def _pour(self, nursery: trio.Nursery) -> None:
        """Send until the end, then close and stop everything else of this connection."""
        try:
            await self._outbound.pour(self._transport.send)
        except ClientTooSlowError:
            self._dialogue.phase = Phase.ENDED
            self._closing = (Close.TOO_SLOW, "too slow; resume after the last version you saw")
        except ParleyError:
            # The log could not be read for a client that lags: it may try again from where it is.
            self._dialogue.phase = Phase.ENDED
            self._closing = (Close.RESTART, "the store does not answer; connect again")
        close, reason = self._closing
        with trio.move_on_after(AUTH_SECONDS):
            await self._transport.close(close.code, reason)
        nursery.cancel_scope.cancel()
