"""Who may open a realtime WebSocket, whichever server it comes by (shell)."""

from gateway.callers import Caller
from gateway.dispatch import Dispatcher
from gateway.http import query
from gateway.http.authenticate import credential_of
from gateway.http.problem import HttpError

REALTIME_PATH = "/v1/realtime"


async def admitted(
    dispatcher: Dispatcher, path: str, query_text: str, headers: dict[str, str]
) -> Caller | None:
    """Return who the Authorization header names; ``None`` when there is none: a frame will say.

    Raises:
        ParleyError: this is no place for a WebSocket, there are parameters, or the credential is
            not known: the upgrade is refused.
    """
    if path != REALTIME_PATH:
        dispatcher.table.find("GET", path)
        raise HttpError("bad_frame", f"the realtime WebSocket is at {REALTIME_PATH}")
    query.decode(query_text, query.Nothing)
    if "authorization" not in headers:
        return None
    return await dispatcher.callers.of(credential_of(headers))
