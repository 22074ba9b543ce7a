"""W3C trace context and request ids."""

import re

from engine import ids

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


def traceparent_of(headers: dict[str, str]) -> str | None:
    """Return the ``traceparent`` of a request; one that is none is ignored, as W3C asks."""
    text = headers.get("traceparent")
    return text if text is not None and _TRACEPARENT.fullmatch(text) else None


def new_request_id() -> str:
    """Return a fresh id for one request: in the answer, in every problem and in the log."""
    return ids.type_id("req", ids.new_uuid())
