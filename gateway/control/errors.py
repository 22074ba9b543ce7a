"""What asking a server over its control socket may end with."""


class NobodyListensError(Exception):
    """No server has a control socket in this folder."""


class CommandError(Exception):
    """The server refused the command or failed with it. The message is fit for people."""

    def __init__(self, code: str, detail: str) -> None:
        """Keep the problem's ``code`` and ``detail``."""
        super().__init__(detail)
        self.code = code
