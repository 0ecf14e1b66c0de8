"""The one exception that users see: a sentence that says what is wrong, where, and what to do."""

from pathlib import Path


class HearsimError(ValueError):
    """Bad input of any kind. The command line prints its sentence and exits with code 2."""


class HearsimWarning(UserWarning):
    """Input that is used, but not as it stands: one sentence. The command line prints it on stderr."""


class FormatError(HearsimError):
    """A stage refuses the stream format it is offered; raised by `prepare` only."""


class WriteError(HearsimError):
    """An output can't be written; `why` says what the system said."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} can't be written ({why}): choose another place, or make room there")
        self.path, self.why = path, why

    def __reduce__(self) -> tuple[type["WriteError"], tuple[Path, str]]:
        """Return what another process makes it of."""
        return WriteError, (self.path, self.why)
