"""What a backend may refuse or fail with. The engine translates; nobody else sees these."""


class StoreError(Exception):
    """Root of every error of this package."""


class VersionConflictError(StoreError):
    """A stream has moved on since the caller looked. Nothing was written; other calls go on."""

    def __init__(self, stream: object, *, expected: int, current: int) -> None:
        """Keep what the caller expected and what the stream is at."""
        super().__init__(f"{stream}: expected version {expected}, it is at {current}")
        self.stream = stream
        self.expected = expected
        self.current = current


class StoreBusyError(StoreError):
    """Too much waits for the next commit. Nothing was written; try again shortly."""


class StoreUnavailableError(StoreError):
    """Disk full, lock timeout, I/O error before the commit. Nothing was written."""


class OutcomeUnknownError(StoreError):
    """The commit itself failed. The drafts may or may not survive: replay before deciding again."""


class StoreLockedError(StoreError):
    """Another process holds the data folder. The message names it and says what to do."""


class StoreTooNewError(StoreError):
    """The data was written by a newer version of Parley. The message says which."""


class StoreDamagedError(StoreError):
    """A setting or a file is not what was promised (a PRAGMA read back wrong, a foreign file)."""
