"""What the benchmarks share: photographs by name, cut to squares, with what is known of each."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ganfeat.data.archive import image_key, sha256_of
from ganfeat.data.pixels import check_resolution, decode, fit_square
from ganfeat.errors import UserError
from ganfeat.files import expanded
from ganfeat.ranges import Count

Array = NDArray[Any]
POINTS = ("landmarks", "layout")  # extras that are places in an image, [N,P,2]
SPREAD = 64  # images whose pixels identify the data


class Benchmark(Dataset[dict[str, Tensor]], ABC):
    """One part of a benchmark: `image` [N,3,R,R] in [-1,1], and the extras that are asked for.

    Of every image the central square is taken, as large as it can be or ``crop`` px wide, and
    resized. Places in it follow. A file that cannot be read is an error: a protocol counts on all.

    Args:
        path: the folder with images and annotations, as its authors hand it out.
        resolution: side of the images in pixels.
        split: ``train``, ``val`` or ``test``.
        extras: some of `known`.
        crop: width in px of the square that is taken from the middle of an image.

    Attributes:
        name: the benchmark's.
        known: what may be asked for.
        own: settings that only this benchmark has.
        names: the images, as files below ``path``.
        truth: what is known of them, [n,...] each.

    Raises:
        UserError: the folder lacks something, or a setting does not fit.
    """

    name: str
    known: ClassVar[tuple[str, ...]]
    label_dim: ClassVar[int] = 0
    own: Mapping[str, Any] = {}

    def __init__(
        self,
        path: str,
        resolution: int = 256,
        split: str = "train",
        extras: Iterable[str] = (),
        crop: Count | None = None,
    ) -> None:
        self.path, self.resolution = expanded(path), check_resolution(resolution)
        self.split, self.crop, self.extras = split, crop, tuple(extras)
        if not self.path.is_dir():
            raise UserError(f"{self.path} is no folder: give data.path, where {self.name} lies")
        if split not in ("train", "val", "test"):
            raise UserError(f"{self.name} has no split {split}: expected train, val or test")
        if unknown := [extra for extra in self.extras if extra not in self.known]:
            raise UserError(
                f"{self.name} does not know the {unknown[0]} of images, only their "
                f"{', '.join(self.known) or 'pixels'}"
            )
        self.names, self.truth = self.read(split)
        if not self.names:
            raise UserError(f"{self.path}: the part {split} of {self.name} is empty")

    @abstractmethod
    def read(self, split: str) -> tuple[list[str], dict[str, Array]]:
        """Names of the images of a part, and what is known of them: places in px of the file."""

    def find(self, *names: str) -> Path:
        """The first of these files or folders, in ``path`` or one folder below.

        Raises:
            UserError: there is none.
        """
        for name in names:
            if (self.path / name).exists():
                return self.path / name
            if below := sorted(self.path.glob(f"*/{name}")):
                return below[0]
        raise UserError(f"{self.path} has no {' and no '.join(names)}: {self.name} comes with it")

    def below(self, path: Path) -> str:
        """A path as one from the benchmark's folder on."""
        return path.relative_to(self.path).as_posix()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {key: value[0] for key, value in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """The batch of these images."""
        pictures, places = zip(*(self._square(self.names[i]) for i in indices), strict=True)
        batch = {"image": as_images(pictures)}
        for extra in self.extras:
            values = torch.from_numpy(self.truth[extra][np.asarray(indices)])
            if extra in POINTS:
                corner, scale = (torch.tensor(x) for x in zip(*places, strict=True))
                values = (values.float() - corner[:, None]) * scale[:, None, None]
            batch[extra] = values
        return batch

    def images_of(self, names: Sequence[str]) -> Tensor:
        """Any of the benchmark's images, [N,3,R,R]."""
        return as_images([self._square(name)[0] for name in names])

    def _square(self, name: str) -> tuple[Array, tuple[tuple[float, float], float]]:
        """Pixels [R,R,3] of a file; where their corner was in it, and how they were scaled."""
        try:
            image = decode((self.path / name).read_bytes())
        except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
            raise UserError(f"{self.path / name} cannot be read ({error}): restore it") from error
        side = self.crop or min(image.size)
        if side > min(image.size):
            raise UserError(
                f"{self.path / name} has {image.width}x{image.height} px: data.crop={side} does "
                "not fit"
            )
        left, top = (image.width - side) // 2, (image.height - side) // 2
        inside = image.crop((left, top, left + side, top + side))
        pixels = np.asarray(fit_square(inside, self.resolution))
        return pixels, ((float(left), float(top)), self.resolution / side)

    def reference(self, part: str, n: int, extras: Iterable[str] = ()) -> Self:
        """All images of a part, whatever ``n``: the protocol says how many there are."""
        if (part, tuple(extras)) == (self.split, self.extras):
            return self
        return type(self)(str(self.path), self.resolution, part, extras, crop=self.crop, **self.own)

    def facts(self) -> dict[str, Any]:
        """What networks and tasks are made for."""
        return {"resolution": self.resolution, "label_dim": 0, "extras": list(self.known)}

    def version(self) -> str:
        """Times and sizes of all files, for caches."""
        stats = ((self.path / name).stat() for name in self.names)
        return sha256_of(f"{found.st_size} {found.st_mtime_ns}\n".encode() for found in stats)

    def fingerprint(self) -> dict[str, Any]:
        """What identifies images and truth, as plain values."""
        n = len(self.names)
        spread = range(n) if n <= SPREAD else [i * n // SPREAD for i in range(SPREAD)]
        return {
            "name": self.name, **self.own, "split": self.split, "images": n, "crop": self.crop,
            "resolution": self.resolution,
            "list_sha256": sha256_of(f"{image_key(name)}\n".encode() for name in self.names),
            "images_sha256": sha256_of(self._square(self.names[i])[0].tobytes() for i in spread),
            "truth_sha256": sha256_of(self.truth[key].tobytes() for key in sorted(self.truth)),
        }  # fmt: skip


def as_images(pixels: Sequence[Array]) -> Tensor:
    """Pixels [R,R,3] as images [N,3,R,R] in [-1,1]."""
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def read_lines(path: Path) -> list[str]:
    """The lines of a list that comes with a benchmark.

    Raises:
        UserError: it cannot be read as text, or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}): get it again") from error
    if not lines:
        raise UserError(f"{path} is empty: get it again")
    return lines


def held_out(names: Sequence[str], split: str) -> list[int]:
    """Which of the images that teach are ``train`` and which ``val``: a tenth, by their names.

    For benchmarks whose protocol has no part to choose on.
    """
    wanted = split == "val"
    return [i for i, name in enumerate(names) if (_digit(name) == 0) == wanted]


def _digit(name: str) -> int:
    return int.from_bytes(hashlib.sha256(image_key(name).encode()).digest()[:8], "big") % 10
