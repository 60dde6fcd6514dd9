"""What goes wrong while images are read, remembered across worker processes."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from ganfeat.errors import UserError

log = logging.getLogger(__name__)


class Trouble:
    """Broken images and images of another size: any process notes them, the main one reports.

    The notes are in shared memory, so that workers need not send names beside their batches and
    the limit counts what all of them met.

    Args:
        path: the dataset, for messages.
        names: its images.
        resolution: the side that they should have.
    """

    def __init__(self, path: Path, names: Sequence[str], resolution: int) -> None:
        self._path = path
        self._names = names
        self._resolution = resolution
        self._broken = torch.zeros(len(names), dtype=torch.bool)
        self._odd_size = torch.zeros(2, dtype=torch.int32)
        self._broken.share_memory_()  # type: ignore[no-untyped-call]
        self._odd_size.share_memory_()  # type: ignore[no-untyped-call]
        self._reported: set[int] = set()
        self._size_reported = False

    @property
    def broken(self) -> list[int]:
        """Indices of all broken images so far."""
        return [int(i) for i in self._broken.nonzero().flatten()]

    def note_broken(self, index: int) -> None:
        """Image `index` cannot be read. Raises UserError above 1 % (one is always allowed)."""
        self._broken[index] = True
        found, total = self.broken, len(self._names)
        if len(found) > max(1, total // 100):
            examples = ", ".join(self._names[i] for i in found[:3])
            raise UserError(
                f"{self._path}: {len(found)} of {total} images cannot be read, more than 1 %: "
                f"{examples}; replace or remove them, or prepare the data anew, which lists them"
            )

    def note_size(self, size: tuple[int, int]) -> None:
        """An image has this (width, height) instead of the resolution."""
        if not self._odd_size[0]:
            self._odd_size[:] = torch.tensor(size)

    def report(self, why: Callable[[int], str]) -> None:
        """Log what was noted since the last report; `why(index)` tells what is broken."""
        if not self._size_reported and self._odd_size[0]:
            self._size_reported = True
            width, height = self._odd_size.tolist()
            side = self._resolution
            log.warning(
                f"{self._path} has images of {width}x{height}: they are cropped and resized to "
                f"{side}x{side} whenever they are read. Once and for all: "
                f"python -m ganfeat.data.prepare {self._path} DST.zip --resolution {side}"
            )
        if int(self._broken.count_nonzero()) > len(self._reported):
            for index in self.broken:
                if index not in self._reported:
                    self._reported.add(index)
                    log.warning(
                        f"{self._path}: skipping {self._names[index]}, which is broken "
                        f"({why(index)}); the next image stands in for it"
                    )
