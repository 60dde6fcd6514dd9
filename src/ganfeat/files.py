"""Writing files so that nothing is ever lost or half-written."""

import errno
import fcntl
import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ganfeat.errors import Busy, UserError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that takes the place of ``path`` once it is whole and on the disk.

    Until then it has a hidden name in the same folder, which is made if need be. Whatever goes
    wrong (Ctrl-C too), that file is removed and the one that was at ``path`` stays.

    Raises:
        UserError: the disk is full, or ``path`` cannot be written.
    """
    path = Path(path)
    temporary = _temporary(path)
    file = _create(temporary, path)
    _remove_leftovers(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if disk_full(error):
            kept = "the previous file is kept" if path.exists() else "nothing was written"
            raise UserError(f"disk full: {path} needs more room; {kept}") from error
        raise


def _temporary(path: Path) -> Path:
    """A name of this process alone, also where machines share the disk."""
    mine = f"{_host()}.{os.getpid()}.{secrets.token_hex(4)}"
    return path.with_name(f".{path.name}.{mine}.tmp")


def _host() -> str:
    """This machine's name, as it stands in names of files."""
    return re.sub(r"[^\w-]", "-", platform.node()) or "host"


def _create(temporary: Path, path: Path) -> BinaryIO:
    """The temporary file, or a `UserError` that names the ``path`` that was asked for."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(temporary, "wb")
    except OSError as error:
        if disk_full(error):
            raise UserError(f"disk full: {path} cannot be written") from error
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with its ``~`` or ``~somebody`` written out.

    Raises:
        UserError: there is no such home.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: there is no such home folder: write the path out") from None


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before minutes are spent on what is to be in it.

    Raises:
        UserError: says why.
    """
    temporary = _temporary(path)
    _create(temporary, path).close()
    temporary.unlink()


def _remove_leftovers(path: Path) -> None:
    """What processes of this machine that are no more have left of ``path``."""
    for left in path.parent.glob(f".{path.name}.{_host()}.*.*.tmp"):
        pid = left.name.split(".")[-3]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            left.unlink(missing_ok=True)
        except (ValueError, OSError):  # another's name, another's process
            continue


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Hold the lock of a run's folder, which lies beside it; gives the lock's file descriptor.

    A process that inherits that holds the lock too.

    Raises:
        Busy: another process holds it.
        UserError: nothing can be written there.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = open(folder.with_name(f".{folder.name}.lock"), "w")  # noqa: SIM115
    except OSError as error:
        raise UserError(f"cannot write in {folder.parent}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another process is at work in {folder}: wait until it has ended") from None
        for left in folder.rglob(".*.tmp"):  # by a process that was killed while it wrote
            left.unlink()
        yield lock.fileno()


def disk_full(error: BaseException | None) -> bool:
    """Whether a full disk or quota is behind ``error``; torch.save hides it behind its own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return True
        error = error.__cause__ or error.__context__
    return False
