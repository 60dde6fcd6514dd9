"""The log of a run: on the console and in its folder."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ganfeat.errors import UserError


class _Console(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is at the moment: a progress bar puts its own in place."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _File(logging.FileHandler):
    """Raises what goes wrong instead of printing it beside the log."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Logging calls this where `emit` failed."""
        raise


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Log what the package says to the console and, with the time, to ``path``."""
    log = logging.getLogger("ganfeat")
    try:
        file = _File(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
    handlers: list[logging.Handler] = [_Console(), file]
    log.setLevel(logging.INFO)
    log.propagate = False  # Hydra logs on the console too
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
        with suppress(OSError):  # a full disk, which was reported
            file.close()
