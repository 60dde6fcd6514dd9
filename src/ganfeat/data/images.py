"""Photographs: a folder or a zip of images, as a dataset of whole batches."""

import hashlib
import os
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset, get_worker_info

from ganfeat.data.archive import Archive, open_archive, sha256_of
from ganfeat.data.labels import Labels, read_labels
from ganfeat.data.pixels import check_resolution, decode, fit_square
from ganfeat.data.trouble import Trouble
from ganfeat.errors import UserError
from ganfeat.ranges import Count, Seed

Part = Literal["all", "train", "judge", "teacher"]


class ImageDataset(Dataset[dict[str, torch.Tensor]]):
    """The images of a folder or a zip, decoded when asked for.

    A folder and the zip prepared from it give the same images in the same order. Images of
    another size are cropped to the central square and resized on the fly, which is said once. A
    broken image is named in the log and the next readable one takes its place. (An LSUN LMDB
    works too, but preparing it is faster.)

    The dataset can be pickled, and any number of processes may load from it.

    Args:
        path: a folder, searched recursively, or a zip; with or without class folders.
        resolution: side of the images in pixels; None takes that of the first image.
        labels: give labels too, from class folders or NVIDIA's `dataset.json`.
        xflip: append every image mirrored; index n + i is image i mirrored.
        subset: use only this many images, drawn at random.
        subset_seed: which ones.
        test: a folder or zip of other images, which nothing is trained on: what an encoder is tried
            on. A generator is compared with the images that it was trained on, as is usual.
        part: "train" (half), "judge" or "teacher" (a quarter each) are disjoint; which one an
            image belongs to follows from a hash of its path inside, without the suffix.

    Attributes:
        resolution: side of the images in pixels.
        label_dim: length of a label; 0 without labels.
        name: name of the folder or zip.
        names: the images' paths inside it, without the mirrored copies.
        unseen: whether nothing was trained on these images.

    Raises:
        UserError: the path, the resolution, the labels or the selection do not fit.
    """

    unseen = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        resolution: int | None = None,
        labels: bool = False,
        xflip: bool = False,
        subset: Count | None = None,
        subset_seed: Seed = 0,
        part: Part = "all",
        test: str | None = None,
    ) -> None:
        self._archive = open_archive(path)
        keep = _select(self._archive, part, subset, subset_seed)
        self.path = self._archive.path
        self.name = self.path.stem if self.path.is_file() else self.path.resolve().name
        self.names = [self._archive.images[i] for i in keep]
        self._labels = _labels(self._archive).take(keep) if labels else None
        self.label_dim = self._labels.dim if self._labels else 0
        self._options = {"part": part, "subset": subset, "subset_seed": subset_seed}
        self._options |= {"xflip": xflip, "labels": labels}
        self._copies, self.test = 2 if xflip else 1, test
        self.resolution = check_resolution(self._side() if resolution is None else resolution)
        self._trouble = Trouble(self.path, self.names, self.resolution)

    def __len__(self) -> int:
        return len(self.names) * self._copies

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """One image [3, R, R] and, with labels, its label [label_dim]; see `__getitems__`."""
        return {key: value[0] for key, value in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """A batch.

        Returns:
            `image`: float32 [N, 3, R, R] in [-1, 1]; with labels also `label`: float32
            [N, label_dim].

        Raises:
            UserError: more than 1 % of the images turned out broken.
        """
        n, side = len(self.names), self.resolution
        pixels = np.empty((len(indices), side, side, 3), dtype=np.uint8)
        used = []
        for row, index in enumerate(indices):
            if not 0 <= index < len(self):
                raise IndexError(f"there is no image {index}: {self.path} has {len(self)}")
            i, image = self._readable(index % n)
            pixels[row] = image if index < n else image[:, ::-1]
            used.append(i)
        if get_worker_info() is None:
            self.report()
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        batch = {"image": images.div_(127.5).sub_(1)}
        if self._labels is not None:
            batch["label"] = torch.from_numpy(self._labels.batch(used))
        return batch

    @property
    def broken(self) -> list[str]:
        """Names of the images that could not be read so far, whichever process met them."""
        return [self.names[i] for i in self._trouble.broken]

    def report(self) -> None:
        """Log broken images and wrong sizes once each; the main process does so for workers."""
        self._trouble.report(self._why)

    def all_labels(self) -> torch.Tensor:
        """The labels of all images, [n,label_dim]."""
        if self._labels is None:
            raise UserError(f"{self.path}: labels are needed, set data.labels=true")
        return torch.from_numpy(self._labels.batch(range(len(self.names))))

    def reference(self, part: str, n: int, extras: Sequence[str] = ()) -> "ImageDataset":
        """The images to compare with: all of these, unflipped, whatever ``part`` and ``n`` say.

        Raises:
            UserError: something is to be known of them that only drawn images know.
        """
        if extras:
            raise UserError(
                f"nobody knows the {', '.join(extras)} of photographs: choose data=synthfaces"
            )
        unflipped: Any = {**self._options, "xflip": False}
        return self if self._copies == 1 else ImageDataset(self.path, self.resolution, **unflipped)

    def held_out(self) -> "ImageDataset":
        """The images to try an encoder on: those of ``test``, or these if there are no others."""
        if self.test is None:
            return self
        found = ImageDataset(self.test, self.resolution, bool(self.label_dim))
        found.unseen = True
        return found

    def facts(self) -> dict[str, Any]:
        """What networks and methods are made for."""
        facts = {"resolution": self.resolution, "label_dim": self.label_dim}
        return facts | {"unseen": self.unseen}

    def fingerprint(self) -> dict[str, Any]:
        """What identifies the data, as plain values: counts, hashes and options, no paths.

        Hashes the list of files with their sizes, and the pixels of 64 evenly spread images.
        """
        n = len(self.names)
        sizes = [self._archive.size(name) for name in self.names]
        spread = range(n) if n <= 64 else [i * n // 64 for i in range(64)]
        lines = (f"{name}\t{size}\n" for name, size in zip(self.names, sizes, strict=True))
        return {
            "files": n,
            "bytes": sum(sizes),
            "list_sha256": sha256_of(line.encode() for line in lines),
            "images_sha256": sha256_of(self._readable(i)[1].tobytes() for i in spread),
            "labels_sha256": sha256_of([self._labels.values.tobytes()]) if self._labels else None,
            "resolution": self.resolution,
            **self._options,
        }

    def version(self) -> str:
        """What changes when any file does: sizes with checksums in a zip, with times in a folder.

        Unlike the fingerprint it is another one for a copy, and nothing but a cache depends on it.
        """
        return sha256_of(f"{name}\t{self._archive.stamp(name)}\n".encode() for name in self.names)

    def _readable(self, index: int) -> tuple[int, np.ndarray[Any, Any]]:
        """Image `index`, or the next one that can be read: (its index, uint8 [R, R, 3])."""
        n = len(self.names)
        for i in (k % n for k in range(index, index + n)):
            try:
                return i, self._pixels(i)
            except Exception:  # Pillow's decoders raise nearly anything on damaged files
                self._trouble.note_broken(i)
        raise UserError(f"{self.path}: none of its {n} images can be read, as {self.names[0]}")

    def _pixels(self, index: int) -> np.ndarray[Any, Any]:
        image = decode(self._archive.read(self.names[index]))
        if image.size != (self.resolution, self.resolution):
            self._trouble.note_size(image.size)
            image = fit_square(image, self.resolution)
        return np.asarray(image)

    def _why(self, index: int) -> str:
        """Why an image that a worker found broken cannot be read."""
        try:
            self._pixels(index)
        except Exception as error:
            return str(error) or type(error).__name__
        return "it was, for a moment"

    def _side(self) -> int:
        """The side of the first image."""
        name = self.names[0]
        try:
            with Image.open(BytesIO(self._archive.read(name))) as image:
                width, height = image.size
        except Exception as error:
            raise UserError(f"{self.path}: {name} cannot be read: give data.resolution") from error
        if width != height or width & (width - 1):
            raise UserError(
                f"{self.path}: {name} has {width}x{height} pixels, which is no square power of "
                "two: give data.resolution, and images are cropped and resized to it"
            )
        return width


def _select(
    archive: Archive, part: Part, subset: int | None, subset_seed: int
) -> np.ndarray[Any, Any]:
    """Sorted indices of the images of a part, or of a random subset of it."""
    if part not in get_args(Part):
        raise UserError(f"part is {part}: expected one of {', '.join(get_args(Part))}")
    keep = np.array([i for i, k in enumerate(archive.keys) if part in ("all", _part(k))])
    if not len(keep):
        raise UserError(f"{archive.path}: part {part} is empty, as there are too few images")
    if subset is None:
        return keep
    if not 1 <= subset <= len(keep):
        raise UserError(
            f"{archive.path}: subset of {subset} images asked for: expected 1 to {len(keep)}"
        )
    shuffled = np.random.RandomState(subset_seed).permutation(keep)
    return np.sort(shuffled[:subset])


def _part(key: str) -> str:
    quarter = hashlib.sha256(key.encode()).digest()[0] % 4
    return ("train", "train", "judge", "teacher")[quarter]


def _labels(archive: Archive) -> Labels:
    labels = read_labels(archive)
    if labels is None:
        raise UserError(
            f"{archive.path} has no labels: expected every image in a class folder, or labels in "
            "dataset.json; without them, train with data.labels=false"
        )
    return labels
