"""The data set that drawn images share: a map from (split, seed, index) to what is true of one."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ganfeat.data.drawn.canvas import check_extras, check_resolution
from ganfeat.data.drawn.correlation import Correlations, Spec
from ganfeat.data.drawn.factors import Factor, FactorTable
from ganfeat.data.drawn.sampling import Sample, Split, split_of
from ganfeat.errors import UserError
from ganfeat.ranges import Natural, Seed

S = TypeVar("S", bound=Sample)


class Drawn(Dataset[dict[str, Tensor]], ABC, Generic[S]):
    """Drawn images with known factors; nothing is read, nothing is cached.

    `ds[i]` is the dict of one image; `ds.__getitems__([i, ...])` is that of the whole batch, drawn
    in one go, so a DataLoader needs a collate function that returns its argument. Always in it:
    `image` [N,3,R,R] float32 in [-1, 1]. `device` may be set: the images are then drawn there.

    Attributes:
        name: the data set's, for records.
        renderer: raised whenever a picture changes, so that numbers from before and after never
            share a column.
        subject: what a picture is of, where `subject_mask` says; numbers are named by it.
        splits, table: the populations, and the factors.
        known: the extras that may be asked for.
        groups: names of factors whose levels of abstraction are compared, by what they share.
        asked: names of factors that suit what tasks ask of an encoder: those that are ``kept`` when
            an image is rebuilt, ``retrieved`` by, ``edited``, or ``pasted`` and seen again.
        depends: for each factor that means something in some images alone, the binary one that says
            in which.
        own: settings that only this data set has, for its fingerprint and its references.
    """

    name: str
    renderer: int
    subject: str
    splits: Mapping[str, Split]
    table: FactorTable
    known: tuple[str, ...]
    groups: ClassVar[Mapping[str, Sequence[str]]] = {}
    asked: ClassVar[Mapping[str, Sequence[str]]] = {}
    depends: ClassVar[Mapping[str, str]] = {}
    own: Mapping[str, Any] = {}
    label_dim: ClassVar[int] = 0

    def __init__(
        self,
        split: str = "train",
        resolution: int = 32,
        length: Natural | None = None,
        seed: Seed = 0,
        extras: Iterable[str] = (),
        correlate: Spec | None = None,
    ) -> None:
        owner = self.table.owner
        population = split_of(self.splits, split, owner)
        check_resolution(resolution, owner)
        self.length = population.length if length is None else length
        if self.length < 0:
            raise UserError(
                f"{owner} got length {length}; expected 0 or more images; correct data.length"
            )
        self.extras = check_extras(extras, self.known, owner)
        self.split, self.resolution, self.seed = split, resolution, seed
        self.correlations = Correlations(self.table, correlate) if correlate else None
        self.device: torch.device | str = "cpu"

    @abstractmethod
    def sample(self, indices: Sequence[int]) -> S:
        """Physical factors and keys of these images, without drawing them."""

    @abstractmethod
    def draw(self, sample: S, extras: tuple[str, ...] = ()) -> dict[str, Tensor]:
        """`image` and these extras, all but `factors`, on `device`."""

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: value[0] for name, value in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """The batch of these images; numbers below 0 count from the end."""
        wrong = [i for i in indices if not -self.length <= i < self.length]
        if wrong:
            raise IndexError(f"image {wrong[0]} of a {self.table.owner} of {self.length}")
        sample = self.sample([i % self.length for i in indices])
        batch = self.draw(sample, tuple(extra for extra in self.extras if extra != "factors"))
        if "factors" in self.extras:
            batch["factors"] = self.table.normalise(sample.values).to(self.device)
        return batch

    def reference(self, part: str, n: int, extras: Iterable[str] = ()) -> Self:
        """The ``n`` images of a split (``val`` or ``test``) to compare with."""
        spec = self.correlations.plain() if self.correlations else None
        found = type(self)(part, self.resolution, n, self.seed, extras, spec, **self.own)
        found.device = self.device
        return found

    def facts(self) -> dict[str, Any]:
        """What networks and methods are made for."""
        return {
            "resolution": self.resolution,
            "label_dim": self.label_dim,
            "subject": self.subject,
            "columns": [self._column(spec) for spec in self.table.factors],
            "extras": list(self.known),
            "groups": {name: list(factors) for name, factors in self.groups.items()},
            "asked": {name: list(factors) for name, factors in self.asked.items()},
        }

    def _column(self, spec: Factor) -> list[str | int]:
        """A factor as networks are told of it."""
        needs = [self.depends[spec.name]] if spec.name in self.depends else []
        return [spec.name, spec.kind, spec.classes, *needs]

    def version(self) -> str:
        """Nothing changes beyond the fingerprint."""
        return ""

    def fingerprint(self) -> dict[str, Any]:
        """Plain data that differs whenever an image does; draws the first 64 images.

        On the CPU wherever others are drawn: a GPU may round another way.
        """
        here = copy(self)
        here.device = "cpu"
        image = here.draw(here.sample(range(64)))["image"]
        pixels = image.add(1).mul(127.5).round().to(torch.uint8)
        return {
            "name": self.name,
            **self.own,
            "split": self.split,
            "length": self.length,
            "seed": self.seed,
            "resolution": self.resolution,
            "correlations": self.correlations.plain() if self.correlations else [],
            "renderer": self.renderer,
            "sha256": hashlib.sha256(pixels.numpy().tobytes()).hexdigest(),
        }
