"""An open stream as the bytes of a Quart answer (shell)."""

from gateway.api.contract import OpenStream
from gateway.quart_app.outbound import ClientTooSlowError, Outbound


class QuartStream(Outbound):
    """The bytes of an open stream, until the client leaves or the stream ends.

    Ending is always ``aclose``: the stream is let go whichever way the answer ends.
    """

    chunked = False

    def __init__(self, stream: OpenStream) -> None:
        """Open ``stream``."""
        super().__init__()
        self._stream = stream
        stream.open(self)

    def __aiter__(self) -> "QuartStream":
        """Return itself: the stream can be read once."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes."""
        try:
            batch = await self.take_all()
        except ClientTooSlowError:
            batch = None
        except BaseException:
            await self.aclose()
            raise
        if batch is None:
            await self.aclose()
            raise StopAsyncIteration
        return b"".join(batch)

    async def aclose(self) -> None:
        """Let the stream go. Does not wait, so it may be called while being cancelled."""
        self._stream.lost()
        self.shut()
