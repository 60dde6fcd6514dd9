"""Folders of classes, as ImageNet comes, and MNIST once it is unpacked into images."""

from typing import Any, ClassVar

import numpy as np

from ganfeat.data.archive import open_archive
from ganfeat.data.benchmarks.benchmark import Array, Benchmark, held_out
from ganfeat.errors import UserError


class ClassFolders(Benchmark):
    """Images in ``train/CLASS/`` and in ``test/CLASS/`` or ``val/CLASS/``; `category` [N].

    What a benchmark publishes beside ``train``, be it called ``test`` or ``val`` as in ImageNet, is
    ``test``; ``val`` is a tenth of ``train``, or ``val`` where ``test`` is there, too. A folder
    without classes, as ImageNet's ``test``, does not count.
    """

    name = "classes"
    known: ClassVar[tuple[str, ...]] = ("category",)

    def read(self, split: str) -> tuple[list[str], dict[str, Array]]:
        """The images of a part and their classes, numbered in the order of their names."""
        train = self._images("train")
        self.classes = sorted({name.split("/")[1] for name in train})
        published = [part for part in ("test", "val") if self._has_classes(part)]
        if split == "test" or (split == "val" and len(published) == 2):
            if not published:
                raise UserError(f"{self.path} has no folder test and none val with classes in it")
            names = self._images(published[-1] if split == "val" else published[0])
            if unknown := sorted({name.split("/")[1] for name in names} - {*self.classes}):
                raise UserError(f"{self.path}: train has no class {unknown[0]}")
        else:
            names = train
            if len(published) < 2:
                names = [train[i] for i in held_out(train, split)]
        place = {name: i for i, name in enumerate(self.classes)}
        return names, {
            "category": np.array([place[name.split("/")[1]] for name in names], np.int64)
        }

    def _has_classes(self, part: str) -> bool:
        folder = self.path / part
        return folder.is_dir() and any(entry.is_dir() for entry in folder.iterdir())

    def _images(self, part: str) -> list[str]:
        """The files of a part."""
        if not (self.path / part).is_dir():
            raise UserError(f"{self.path} has no folder {part}")
        names = [f"{part}/{name}" for name in open_archive(self.path / part).images]
        if astray := [name for name in names if name.count("/") < 2]:
            raise UserError(f"{self.path / astray[0]} is in no class folder")
        return names

    def facts(self) -> dict[str, Any]:
        """What networks and tasks are made for."""
        return super().facts() | {"classes": len(self.classes)}
