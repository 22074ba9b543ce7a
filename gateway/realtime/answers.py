"""Answers to a client's frames, with the client's own ``ref``."""

from typing import Any

from engine.errors import ParleyError
from gateway.api.contract import Response
from gateway.fanout.outlet import Outlet
from gateway.http import problem, trace
from gateway.realtime import protocol
from gateway.realtime.dialects.dialect import Dialect


class Answers:
    """Writes answers in the connection's dialect."""

    __slots__ = ("_dialect", "_outbound")

    def __init__(self, outbound: Outlet, dialect: Dialect) -> None:
        """Write to ``outbound`` in the words of ``dialect``."""
        self._outbound = outbound
        self._dialect = dialect

    def answer(self, op: str, ref: protocol.Ref, **members: Any) -> None:
        """Send a frame of the server; ``ref`` is the client's own."""
        if ref is not None:
            members = {"ref": ref, **members}
        self._outbound.answer(self._dialect.encode(op, members))

    def refuse(self, ref: protocol.Ref, error: ParleyError, *, instance: str | None = None) -> None:
        """Send the problem of a refusal or failure; ``instance`` is the path it was met at."""
        request_id = trace.new_request_id()
        document = problem.problem_bytes(error, request_id=request_id, instance=instance)
        self.answer("error", ref, problem=self._dialect.embed(document))

    def pass_on(self, ref: protocol.Ref, response: Response) -> None:
        """Send the answer of a route: what it says as JSON becomes a value of the dialect."""
        document = self._dialect.embed(response.body or b"null")
        if response.content_type == problem.CONTENT_TYPE:
            self.answer("error", ref, problem=document)
        else:
            headers = {name.lower(): value for name, value in response.headers}
            self.answer("ok", ref, status=response.status, headers=headers, body=document)
