"""Atomic writes: the old file or the new one, never a half of either."""

import builtins
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from ganfeat import files
from ganfeat.errors import UserError
from ganfeat.files import atomic_write, expanded

Body = Callable[[BinaryIO], object]


def write(path: Path, body: Body = lambda file: file.write(b"after")) -> None:
    with atomic_write(path) as file:
        body(file)


def raising(error: BaseException) -> Body:
    def body(file: BinaryIO) -> None:
        file.write(b"half")
        raise error

    return body


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"before")
    return path


def assert_untouched(path: Path) -> None:
    assert path.read_bytes() == b"before"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_replaces_the_file_only_when_done(previous: Path) -> None:
    with atomic_write(previous) as file:
        file.write(b"after")
        file.flush()
        assert previous.read_bytes() == b"before"
    assert previous.read_bytes() == b"after"
    assert [p.name for p in previous.parent.iterdir()] == [previous.name]


def test_what_dead_processes_of_this_machine_left_is_removed(
    previous: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that machines share, another's process may be alive under any number."""
    for host in ("this.host", "another.host"):
        with monkeypatch.context() as patch:
            patch.setattr("platform.node", lambda host=host: host)
            patch.setattr(os, "getpid", lambda: 2**22 + 1)  # Linux has none above 2**22
            files._temporary(previous).touch()
    monkeypatch.setattr("platform.node", lambda: "this.host")
    alive = files._temporary(previous)
    alive.touch()
    write(previous)
    (left,) = {path.name for path in previous.parent.iterdir()} - {previous.name, alive.name}
    assert alive.exists()
    assert "another-host" in left


def test_a_home_that_does_not_exist() -> None:
    assert expanded("~/x") == Path.home() / "x"
    with pytest.raises(UserError, match="~nobody-of-that-name/x: there is no such home folder"):
        expanded("~nobody-of-that-name/x")


def test_makes_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b.bin")
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"after"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_any_exception_leaves_the_previous_file(previous: Path, error: type[Exception]) -> None:
    with pytest.raises(error):
        write(previous, raising(error()))
    assert_untouched(previous)


def test_full_disk_at_fsync(previous: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"disk full.*previous file is kept"):
        write(previous)
    assert_untouched(previous)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize(
    "body",
    [
        lambda file: file.write(bytes(100_000)),
        lambda file: torch.save({"a": torch.zeros(100_000)}, file),
    ],
    ids=["bytes", "torch.save"],
)
def test_the_kernels_own_full_disk(
    previous: Path, monkeypatch: pytest.MonkeyPatch, body: Body
) -> None:
    def open_full(path: Path, mode: str) -> object:
        path.touch()
        return builtins.open("/dev/full", mode)

    monkeypatch.setattr(files, "open", open_full, raising=False)
    with pytest.raises(UserError, match=r"disk full.*previous file is kept"):
        write(previous, body)
    assert_untouched(previous)


def test_first_write_on_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing was written"):
        write(tmp_path / "x", raising(OSError(errno.ENOSPC, "full")))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_keep_their_type(previous: Path) -> None:
    with pytest.raises(OSError, match="elsewhere"):
        write(previous, raising(OSError(errno.EIO, "elsewhere")))
    assert_untouched(previous)


@pytest.mark.parametrize("name", ["", "file/below"])
def test_a_path_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        write(tmp_path / name)
