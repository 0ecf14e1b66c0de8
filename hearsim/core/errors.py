"""The one exception that users see: a sentence with fault, place and cure."""

import errno
import os
from pathlib import Path


class HearsimError(ValueError):
    """Bad input of any kind. The command line prints its sentence and exits with code 2.

    Examples
    --------
    >>> import hearsim
    >>> try:
    ...     hearsim.load_profile("flatt")
    ... except HearsimError as error:
    ...     print(str(error).partition(": ")[2])
    did you mean flat?
    """


def cause_of(error: BaseException) -> str:
    """Return the type and text of an error raised by a user's or a package's code, for a sentence.

    >>> cause_of(ValueError("no weights")), cause_of(KeyboardInterrupt())
    ('ValueError: no weights', 'KeyboardInterrupt')
    """
    return f"{type(error).__name__}: {error}".removesuffix(": ")


class HearsimWarning(UserWarning):
    """Input or surroundings that are used with a restriction: one sentence. The command line prints it on stderr.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", HearsimWarning)  # take no such input
    """


class FormatError(HearsimError):
    """A stage refuses the stream format it is offered; raised by `prepare` only.

    Examples
    --------
    >>> import hearsim
    >>> aid = hearsim.hearing_aid(hearsim.load_profile("flat"))
    >>> aid.prepare(hearsim.Format(48000, 2, 512))
    Traceback (most recent call last):
    hearsim.core.errors.FormatError: Separator needs 44100 Hz, got 48000 Hz: resample it (hearsim.read, soxr.resample)
    """


_CURES = {
    os.strerror(number): f"choose another place{more}"
    for number, more in (
        (errno.ENOENT, ", or make its folder first"),
        (errno.ENOSPC, ", or make room"),
        (errno.EDQUOT, ", or make room"),
        (errno.EFBIG, ": the file system or a quota allows no file of this size"),
        (errno.EACCES, ", or ask for the right to write there"),
        (errno.EPERM, ", or ask for the right to write there"),
        (errno.EROFS, ": this one can only be read"),
        (errno.EISDIR, ": a folder has this name"),
        (errno.EEXIST, ": a file has this name"),
        (errno.ENOTDIR, ": a file stands where a folder should"),
        (errno.ENAMETOOLONG, ", with a shorter name"),
    )
}


class WriteError(HearsimError):
    """An output can't be written; `why` is the system's reason, `cure` the advice."""

    def __init__(self, path: Path, why: str) -> None:
        self.path, self.why, self.cure = path, why, _CURES.get(why, "choose another place")
        super().__init__(f"{path} can't be written ({why}): {self.cure}")

    def __reduce__(self) -> tuple[type["WriteError"], tuple[Path, str]]:
        """Return class and arguments, for another process."""
        return WriteError, (self.path, self.why)
