"""The log of a run: on the console and in its folder."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


class _Console(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is at the moment: a progress bar puts its own in place."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Log what the package says to the console and, with the time, to ``path``."""
    log = logging.getLogger("ganfeat")
    file = logging.FileHandler(path)
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
        file.close()
