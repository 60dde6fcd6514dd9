"""Folders of classes, as ImageNet comes, and MNIST once it is unpacked into images."""

from typing import Any, ClassVar

import numpy as np

from ganfeat.data.archive import open_archive
from ganfeat.data.benchmarks.benchmark import Array, Benchmark, held_out
from ganfeat.errors import UserError


class ClassFolders(Benchmark):
    """Images in ``train/CLASS/`` and in ``test/CLASS/`` or ``val/CLASS/``; `category` [N].

    What a benchmark publishes beside ``train``, be it called ``test`` or ``val`` as in ImageNet, is
    ``test``; ``val`` is a tenth of ``train``.
    """

    name = "classes"
    known: ClassVar[tuple[str, ...]] = ("category",)

    def read(self, split: str) -> tuple[list[str], dict[str, Array]]:
        """The images of a part and their classes, numbered in the order of their names."""
        train = self._images("train")
        self.classes = sorted({name.split("/")[1] for name in train})
        if split == "test":
            names = self._images("test", "val")
            if unknown := sorted({name.split("/")[1] for name in names} - {*self.classes}):
                raise UserError(f"{self.path}: train has no class {unknown[0]}")
        else:
            names = [train[i] for i in held_out(train, split)]
        place = {name: i for i, name in enumerate(self.classes)}
        return names, {
            "category": np.array([place[name.split("/")[1]] for name in names], np.int64)
        }

    def _images(self, *parts: str) -> list[str]:
        """Files of the first of these parts that is there."""
        part = next((part for part in parts if (self.path / part).is_dir()), None)
        if part is None:
            raise UserError(f"{self.path} has no folder {' and none '.join(parts)}")
        names = [f"{part}/{name}" for name in open_archive(self.path / part).images]
        if astray := [name for name in names if name.count("/") < 2]:
            raise UserError(f"{self.path / astray[0]} is in no class folder")
        return names

    def facts(self) -> dict[str, Any]:
        """What networks and tasks are made for."""
        return super().facts() | {"classes": len(self.classes)}
