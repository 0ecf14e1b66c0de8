"""The one exception that users see: a sentence that says what is wrong, where, and what to do."""


class HearsimError(ValueError):
    """Bad input of any kind. The command line prints its sentence and exits with code 2."""


class FormatError(HearsimError):
    """A stage refuses the stream format it is offered; raised by `prepare` only."""
