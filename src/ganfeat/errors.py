"""The exceptions whose messages are written for the person who typed the command."""


class UserError(Exception):
    """A mistake in what was asked for, not in the program.

    The message is one line: what was wrong, what was expected, what to do. Entry points print it
    without a traceback and exit with its code.
    """

    exit_code = 1


class Busy(UserError):
    """Another process holds what was asked for: the same command works once that has ended."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class Interrupted(BaseException):
    """A run that was told to stop (Ctrl-C, SIGTERM) and did so in order; it says what was saved.

    Like KeyboardInterrupt it is no `Exception`: it may come at any moment, and whoever expects that
    reading a file goes wrong must not take it for that.

    Attributes:
        exit_code: what the process ends with; 128 plus the signal, as shells have it.
    """

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code
