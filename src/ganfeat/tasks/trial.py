"""An encoder, the images that it is tried on, and whether these are enough."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features import FactorNet, Features, Rebuilder
from ganfeat.features.small import Column
from ganfeat.metrics.progress import Bar, silent
from ganfeat.metrics.reference import References
from ganfeat.metrics.rows import Rows, finite
from ganfeat.metrics.subject import Judge

Array = NDArray[np.float64]
Codes = NDArray[np.float32]
Batch = dict[str, Tensor]
EVERYTHING = "all levels"  # in one row
PICTURES = ("mask",)  # what is true of single pixels


class Seen(NamedTuple):
    """What an encoder says of ``n`` images, and what is true of them.

    Attributes:
        levels: [n,D] each, coarse to fine, in single precision, as there may be many.
        truth: what the data say, [n,...] each, by the name of the extra.
    """

    levels: dict[str, Codes]
    truth: dict[str, Array]

    def row(self, level: str) -> Codes:
        """The codes of a level [n,D], or those of all after each other for `EVERYTHING`."""
        if level != EVERYTHING:
            return self.levels[level]
        return np.concatenate([*self.levels.values()], axis=1)


@dataclass(frozen=True)
class Trial:
    """An encoder, and what it is tried on.

    Attributes:
        network: the encoder.
        references: the images, of which each task takes the parts that it needs.
        judge: the networks that measure; none of them trained the encoder.
        bar: shows how far it is.
    """

    network: Features
    references: References
    judge: Judge | None = None
    bar: Bar = silent
    _seen: dict[Any, Seen] = field(default_factory=dict)

    def elsewhere(self, data: Any) -> "Trial":
        """The encoder, tried on other data."""
        return replace(self, references=self.references.elsewhere(data), _seen={})

    @property
    def rebuilder(self) -> Rebuilder:
        """The encoder, where it can draw."""
        assert isinstance(self.network, Rebuilder)
        return self.network

    @property
    def reader(self) -> FactorNet:
        """The judge's network that reads factors."""
        assert self.judge is not None
        assert self.judge.factors is not None
        return self.judge.factors

    def batches(
        self, part: str, n: int, extras: Sequence[str], what: str
    ) -> Iterator[tuple[Tensor, Batch]]:
        """This process's share of ``n`` images of a part: their numbers, and the data's batch."""
        advance = self.bar(what, n // self.references.ranks)
        for numbers, batch in self.references.share(n, extras, part):
            yield numbers, batch
            advance(len(numbers))

    def pairs(
        self, part: str, n: int, extras: Sequence[str], what: str
    ) -> Iterator[tuple[Tensor, Batch, Batch]]:
        """This process's share of ``n`` pairs of different images of a part."""
        advance = self.bar(what, n // self.references.ranks)
        for numbers, one, other in self.references.pairs(n, extras, part):
            yield numbers, one, other
            advance(len(numbers))

    @torch.no_grad()
    def seen(self, part: str, n: int) -> Seen:
        """What the encoder says of ``n`` images of a part, or of all where there are fewer.

        Computed once for all tasks, with all that is true of the images and no picture itself.
        """
        if (part, n) not in self._seen:
            self._seen[part, n] = self._look(part, n)
        return self._seen[part, n]

    def _look(self, part: str, n: int) -> Seen:
        known = self.references.data.facts().get("extras", ())
        extras = [extra for extra in known if extra not in PICTURES]
        data = self.references.real(n, extras, part)
        count = min(n, len(data))

        def look(batch: Batch) -> dict[str, Tensor]:
            return self.network.encode(batch["image"]) | {extra: batch[extra] for extra in extras}

        # A process may have no images of its own: how wide the rows are, all see in the first one.
        first = {key: value.to(self.references.device) for key, value in data[0].items()}
        alone = look({key: value[None] for key, value in first.items()})
        rows = {
            name: Rows(count, *values.shape[1:], what=f"{name} of an image").to(values.device)
            for name, values in alone.items()
        }
        for numbers, batch in self.batches(part, count, extras, f"{part} codes"):
            for name, values in look(batch).items():
                rows[name].update(values.float(), numbers)
        levels = [name for name in rows if name not in extras]
        return Seen(
            {level: rows[level].single() for level in levels},
            {extra: rows[extra].numpy() for extra in extras},
        )

    def learnt_from(self, n: int) -> dict[str, Any]:
        """What identifies the ``n`` images of ``train`` that a reader learns from."""
        return self._some("train", n)

    def protocol(self, *networks: Features, real: int = 0, **more: Any) -> dict[str, Any]:
        """What a number depends on beside the encoder: ``real`` images, networks, and more."""
        found = self.references.protocol(*networks, **more)
        return found | {"data": self._some(self.references.part, real)} if real else found

    def _some(self, part: str, n: int) -> dict[str, Any]:
        """What identifies ``n`` images of a part, of which there may be more."""
        data = self.references.real(n, (), part)
        found: dict[str, Any] = data.fingerprint()
        return found if n >= len(data) else {**found, "taken": n}

    def rebuilt(self, images: Tensor) -> Tensor:
        """Images drawn again, clamped to [-1,1]."""
        return finite(self.rebuilder.rebuild(images), "a reconstruction").clamp(-1, 1)

    def asked(self, what: str, names: Sequence[str] | None) -> list[str]:
        """The factors that a task asks for: ``names``, or those that the data name for it."""
        if names is not None:
            return list(names)
        found: list[str] = self.references.data.facts().get("asked", {}).get(what, [])
        return found

    def check_points(self, numbers: Sequence[int], what: str) -> None:
        """Refuse numbers of landmarks that are twice the same, or that the data do not have.

        Raises:
            UserError: says how many there are.
        """
        if len({*numbers}) < len(numbers):
            raise UserError(f"{what} are landmark {numbers[0]} twice: expected two different ones")
        there = len(self.references.real(1, ("landmarks",))[0]["landmarks"])
        if wrong := [number for number in numbers if not 0 <= number < there]:
            raise UserError(f"{what} have {wrong[0]}: these data have landmarks 0 to {there - 1}")

    def enough(self, part: str, n: int, least: int) -> None:
        """Refuse a task that would get fewer than ``least`` of its ``n`` images.

        Raises:
            UserError: says how many there are.
        """
        there = min(n, len(self.references.real(n, (), part)))
        if there < least:
            raise UserError(f"it needs {least} images of {part} or more; there are {there}")

    def enough_pairs(self, part: str, n: int) -> None:
        """Refuse a task with too few pairs of images, or none but of the same person.

        Raises:
            UserError: says how many there are, or of which number n must be no multiple.
        """
        self.enough(part, 2 * n, 2 * n)
        people = self.references.real(2 * n, (), part).facts().get("people")
        if people and n % people == 0:  # image i goes with i + n, and shows person i mod people
            raise UserError(
                f"{n} pairs of {part} would each show the same person twice: choose an n that is "
                f"no multiple of {people}"
            )


def check_known(names: Sequence[str], columns: Sequence[Column], what: str, kind: str = "") -> None:
    """Refuse names that are no factors, or none of a kind.

    Raises:
        UserError: says which there are.
    """
    known = [column.name for column in columns if kind in ("", column.kind)]
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"{what} {unknown[0]}: it must be one of {', '.join(known) or 'none'}")
