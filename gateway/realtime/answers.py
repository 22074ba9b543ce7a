"""Answers to a client's frames, with the client's own ``ref``."""

from typing import Any

from engine.errors import ParleyError
from gateway.http import problem, trace
from gateway.realtime import protocol
from gateway.realtime.dialects import json as dialect
from gateway.realtime.outbound import Outbound


class Answers:
    """Writes answers in the connection's dialect."""

    def __init__(self, outbound: Outbound) -> None:
        """Write to ``outbound``."""
        self._outbound = outbound

    def answer(self, op: str, ref: protocol.Ref, **members: Any) -> None:
        """Send a frame of the server; ``ref`` is the client's own."""
        if ref is not None:
            members = {"ref": ref, **members}
        self._outbound.answer(dialect.encode(op, members))

    def refuse(self, ref: protocol.Ref, error: ParleyError) -> None:
        """Send the problem of a refusal or failure."""
        document = problem.problem_of(error, request_id=trace.new_request_id())
        self.answer("error", ref, problem=document)
