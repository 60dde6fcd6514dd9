"""CelebA (Liu et al. 2015) and its part MAFL (Zhang et al. 2014): attributes and landmarks."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ganfeat.data.benchmarks.benchmark import Array, Benchmark, held_out, read_lines
from ganfeat.errors import UserError

Protocol = Literal["celeba", "mafl"]
PARTS = {"train": 0, "val": 1, "test": 2}  # as list_eval_partition.txt numbers them


class CelebA(Benchmark):
    """Aligned faces with 40 attributes (`factors` [N,40], 0 or 1) and 5 points (`landmarks`).

    The points are the eyes, the nose and the corners of the mouth.

    Args:
        path: the folder with ``img_align_celeba`` and the lists, in it or in one folder below.
        resolution, split, extras, crop: as in `Benchmark`.
        protocol: ``celeba`` has the parts of ``list_eval_partition.txt``. ``mafl`` has the images
            of MAFL's ``training.txt``, of which a tenth is ``val``, and of its ``testing.txt``.
    """

    name = "celeba"
    known: ClassVar[tuple[str, ...]] = ("factors", "landmarks")

    def __init__(self, *args: Any, protocol: Protocol = "celeba", **rest: Any) -> None:
        self.own = {"protocol": protocol}
        super().__init__(*args, **rest)

    def read(self, split: str) -> tuple[list[str], dict[str, Array]]:
        """Images of a part, their attributes and points."""
        self.attributes, attributes = self._table("list_attr_celeba.txt")
        names, points = self._table("list_landmarks_align_celeba.txt")
        if len(names) % 2:
            raise UserError(
                f"{self.path}: list_landmarks_align_celeba.txt has {len(names)} columns: expected "
                "x and y of each point"
            )
        files = self._files(split)
        if missing := [name for name in files if not (name in attributes and name in points)]:
            raise UserError(f"{self.path}: the lists of CelebA lack {missing[0]}")
        folder = self.below(self.find("img_align_celeba"))
        signs = np.array([attributes[name] for name in files], np.float32)  # 1 or -1
        places = np.array([points[name] for name in files], np.float32)
        return [f"{folder}/{name}" for name in files], {
            "factors": (signs > 0).astype(np.float32),
            "landmarks": places.reshape(len(files), len(names) // 2, 2),
        }

    def _files(self, split: str) -> list[str]:
        if self.own["protocol"] == "celeba":
            parts = _rows(self.find("list_eval_partition.txt"), 1, first=1)
            return [name for name, (part,) in parts.items() if part == PARTS[split]]
        if split == "test":
            return _names(self.find("testing.txt"))
        files = _names(self.find("training.txt"))
        return [files[i] for i in held_out(files, split)]

    def _table(self, name: str) -> tuple[list[str], dict[str, list[int]]]:
        """A list of CelebA: a count, the names of the columns, and a line for each image."""
        path = self.find(name)
        lines = read_lines(path)
        if len(lines) < 3:
            raise UserError(f"{path} has {len(lines)} lines: expected a count, names and images")
        columns = lines[1].split()
        return columns, _rows(path, len(columns), first=3)

    def facts(self) -> dict[str, Any]:
        """What networks and tasks are made for."""
        columns = [[attribute, "binary", 2] for attribute in self.attributes]
        groups = {"attributes": list(self.attributes)}
        return super().facts() | {"columns": columns, "groups": groups}


def _names(path: Path) -> list[str]:
    """The files of a list, one in each line."""
    return [line.strip() for line in read_lines(path) if line.strip()]


def _rows(path: Path, width: int, first: int) -> dict[str, list[int]]:
    """A file's name and so many whole numbers in each line, from the ``first`` on (counted from 1).

    Raises:
        UserError: a line is something else.
    """
    found = {}
    for number, line in enumerate(read_lines(path)[first - 1 :], first):
        match line.split():
            case []:
                continue
            case [file, *texts] if len(texts) == width and all(map(_whole, texts)):
                found[file] = [int(text) for text in texts]
            case _:
                raise UserError(
                    f"{path}, line {number} is {line[:40]!r}: expected a file's name and {width} "
                    "whole numbers"
                )
    return found


def _whole(text: str) -> bool:
    return text.removeprefix("-").isdigit()
