"""How a command ends: a mistake is one line and exit code 1, a signal stops it in order."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ganfeat.errors import Interrupted, UserError


def time_limit_signal() -> signal.Signals | None:
    """What submitit sends shortly before the time limit of a job; None where it does not run us."""
    if "SUBMITIT_EXECUTOR" not in os.environ:
        return None
    return signal.Signals["SIG" + os.environ.get("SUBMITIT_PREEMPT_SIGNAL", "USR2")]


def stop_signals() -> set[signal.Signals]:
    """The signals that ask this process to stop in order."""
    return {signal.SIGINT, signal.SIGTERM, time_limit_signal() or signal.SIGTERM}


@contextmanager
def told() -> Iterator[None]:
    """Prints a `UserError` or `Interrupted` from inside as one line and ends the process.

    The exit code is the exception's. The `stop_signals` become `Interrupted` here where nobody has
    taken them over. ``GANFEAT_DEBUG=1`` shows the traceback instead.
    """
    try:
        with _interruptible():
            yield
    except (UserError, Interrupted) as error:
        if os.environ.get("GANFEAT_DEBUG") == "1":
            raise
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)


@contextmanager
def _interruptible() -> Iterator[None]:
    """The `stop_signals` as `Interrupted`."""

    def stop(number: int, frame: FrameType | None) -> None:
        if _importing(frame):  # an exception in there leaves modules half made: in a moment, then
            again = threading.Timer(0.05, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        name = signal.Signals(number).name
        raise Interrupted(f"stopped by {name}: nothing is half-written", exit_code=128 + number)

    if threading.current_thread() is not threading.main_thread():  # a job of some launcher
        yield
        return
    previous = {number: signal.signal(number, stop) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported below this frame."""
    while frame is not None and frame.f_globals.get("__name__") != "importlib._bootstrap":
        frame = frame.f_back
    return frame is not None
