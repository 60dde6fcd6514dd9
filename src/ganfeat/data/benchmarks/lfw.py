"""Labeled Faces in the Wild (Huang et al. 2007): are these two the same person?"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.data.benchmarks.benchmark import Array, Benchmark, read_lines
from ganfeat.errors import UserError

LISTS = {"train": "pairsDevTrain.txt", "val": "pairsDevTest.txt", "test": "pairs.txt"}


class LFW(Benchmark):
    """Faces of LFW: a folder for each person, ``Name/Name_0001.jpg``, beside the lists of pairs.

    ``test`` are the images of ``pairs.txt`` (view 2: ten folds of 300 pairs of either kind), on
    which alone results are reported; ``train`` and ``val`` are those of ``pairsDevTrain.txt``, by
    which codes are standardised, and ``pairsDevTest.txt`` (view 1), by which the level is chosen.

    Args:
        path: the folder with the lists, and the people in it or in one folder below.
        resolution, split, extras, crop: as in `Benchmark`; faces fill about the middle 128 px.
    """

    name = "lfw"
    known: ClassVar[tuple[str, ...]] = ()

    def read(self, split: str) -> tuple[list[str], dict[str, Array]]:
        """The images that the pairs of a part show, each once."""
        pairs = read_pairs(self.find(LISTS[split]))
        files = self.files(pairs)
        return sorted({file for pair in files for file in pair}), {}

    def files(self, pairs: Sequence[tuple["Person", "Person"]]) -> list[list[str]]:
        """The files of pairs, below the benchmark's folder."""
        somebody = pairs[0][0][0]
        try:
            people = self.find(somebody).parent
        except UserError as error:
            raise UserError(
                f"{self.path} has no folder {somebody}, whom a list of pairs names: the people of "
                "LFW belong in it, or in one folder below"
            ) from error
        folder = "" if people == self.path else f"{self.below(people)}/"
        return [[f"{folder}{who}/{who}_{i:04d}.jpg" for who, i in pair] for pair in pairs]

    def pairs(self, part: str) -> "Pairs":
        """The pairs of a part, for `ganfeat.tasks.verification`."""
        return Pairs(self, self.find(LISTS[part]))


Person = tuple[str, int]  # a name, and the number of an image


def read_pairs(path: Path) -> list[tuple[Person, Person]]:
    """The pairs of a list, in its order.

    Raises:
        UserError: a line is neither ``name i j`` nor ``name i name j``.
    """
    found = []
    for number, line in enumerate(read_lines(path)[1:], 2):
        match line.split():
            case [name, i, j] if i.isdigit() and j.isdigit():
                found.append(((name, int(i)), (name, int(j))))
            case [name, i, other, j] if i.isdigit() and j.isdigit():
                found.append(((name, int(i)), (other, int(j))))
            case []:
                pass
            case _:
                raise UserError(f"{path}, line {number}: {line!r} is no pair of images")
    if not found:
        raise UserError(f"{path} lists no pairs")
    return found


class Pairs:
    """Pairs of LFW and their folds, as the lists have them.

    The first line of ``pairs.txt`` says how many folds there are and how many pairs of either kind
    each has; the lists of view 1 are one fold and say the second number alone.

    Attributes:
        same: whether a pair shows one person, [P].
        folds, groups: the fold of each pair, [P].
    """

    def __init__(self, data: LFW, path: Path) -> None:
        self.data = data
        pairs = read_pairs(path)
        head = read_lines(path)[0].split()
        if len(head) not in (1, 2) or not all(text.isdigit() for text in head):
            raise UserError(f"{path} begins with {head}: expected folds and pairs of either kind")
        folds, each = (int(text) for text in ["1", *head][-2:])
        self.same: NDArray[np.bool_] = np.array([a[0] == b[0] for a, b in pairs], bool)
        self.folds: NDArray[np.int64] = np.arange(len(pairs)) // (2 * each)
        if (
            len(pairs) != 2 * folds * each
            or (np.bincount(self.folds, self.same, folds) != each).any()
        ):
            raise UserError(
                f"{path} has {len(pairs)} pairs, {int(self.same.sum())} of one person: expected "
                f"{folds} folds of {each} of either kind"
            )
        self.groups = self.folds
        self._files = data.files(pairs)

    def images(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Both images [N,3,R,R] of these pairs."""
        rows: Sequence[int] = numbers.tolist()
        first, second = (self.data.images_of([self._files[i][k] for i in rows]) for k in (0, 1))
        return first, second

    def fingerprint(self) -> dict[str, Any]:
        """What identifies them."""
        listed = "".join(f"{a} {b}\n" for a, b in self._files)
        digest = hashlib.sha256(listed.encode()).hexdigest()
        return {"name": "lfw", "pairs": len(self.same), "list_sha256": digest,
                "crop": self.data.crop}  # fmt: skip
