"""The kinds of measurements, and what they share.

A generator is measured by `OfSamples`, which look at images that somebody else makes, so that one
pass over samples feeds all of them, and by `OfGenerator`, which make their own (pairs, paths); a
network that looks at images is measured by `OfNetwork`. What they count lies in torchmetrics, whose
states are sums or bounded and come together from all processes in `compute`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.metrics.progress import Bar, Progress, silent
from ganfeat.metrics.reference import Reference, References
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import Judge, Looks, Samples
from ganfeat.metrics.value import Better, Value


@dataclass(frozen=True)
class Subject:
    """A generator to be measured.

    Attributes:
        samples: its images.
        judge: the networks that measure.
        references: the same of real images.
        rank, ranks: which share of the work is this process's.
        bar: shows how far passes over real images are.
    """

    samples: Samples
    judge: Judge
    references: References
    rank: int = 0
    ranks: int = 1
    bar: Bar = silent

    @cached_property
    def width(self) -> int:
        """Numbers in a vector of the judge's embedding network."""
        return self.judge.embedding.width(self.samples.generator.resolution, self.references.device)

    def enough(self, metric: str, n: int, least: int, real: int | None = None) -> None:
        """Refuse a metric that needs ``least`` images a side and gets ``n``, or too few real ones.

        ``real`` is how many of these it needs, where it is not as many.

        Raises:
            UserError: says how many there are.
        """
        found = len(self.references.real(n))
        if n < least or found < (least if real is None else real):
            raise UserError(
                f"{metric} with {self.judge.embedding.name} needs {least} images a side or more: "
                f"there would be {n} generated and {found} real"
            )

    def reference(self, network: Features, n: int, **which: Any) -> Reference:
        """What a network sees in real images, see `References.of`."""
        return self.references.of(network, n, self.bar, **which)

    def real_images(self, n: int) -> Iterator[Tensor]:
        """Batches of ``n`` real images; all of them where there are fewer."""
        advance = self.bar("real images", n)
        for images in self.references.images(n):
            yield images
            advance(len(images))

    def protocol(self, *networks: Features, real: int = 0, **more: Any) -> dict[str, Any]:
        """What a number depends on: networks, truncation, noise, ``real`` images and more."""
        return {
            **self.references.protocol(*networks, real=real),
            "generator": "average of weights",
            "psi": self.samples.psi,
            "noise": "random" if self.samples.generator.use_noise else "none",
            "seed": self.samples.seed,
            **more,
        }

    def blank(self) -> Tensor:
        """An image of the generator's size, [1,3,R,R], to try networks on."""
        side = self.samples.generator.resolution
        return torch.zeros(1, 3, side, side, device=self.references.device)


class Result(NamedTuple):
    """What a measurement gives.

    Attributes:
        values: numbers.
        arrays: what is to be drawn, as nested lists, by name.
        pictures: [3,H,W] in [-1,1] each, by name.
    """

    values: list[Value]
    arrays: Mapping[str, Any] = MappingProxyType({})
    pictures: Mapping[str, Tensor] = MappingProxyType({})


class Measurement:
    """Whatever gives values.

    Attributes:
        better: which of them are better lower, or higher; tables mark the best by it.
    """

    better: Better = {}


class OfImages(Measurement):
    """Measures a generator by its images.

    Attributes:
        needs: what a judge must have for it, for the message where it has not.
    """

    needs = "nothing"

    def applies(self, judge: Judge) -> bool:
        """Whether this judge can do it."""
        return True

    def check(self, subject: Subject) -> None:
        """Refuse what is known to be impossible before anything is computed.

        Raises:
            UserError: says what is too small, too few or unknown.
        """


class OfSamples(OfImages):
    """Measures images that it is shown.

    Attributes:
        n: how many it wants: the first ``n`` samples.
    """

    n: int

    def start(self, subject: Subject) -> None:
        """Before the first batch."""
        raise NotImplementedError

    def look(self, looks: Looks) -> None:
        """See a batch. Images beyond the first ``n`` are not shown."""
        raise NotImplementedError

    def result(self, subject: Subject) -> Result:
        """What was found, once all were seen."""
        raise NotImplementedError


class OfVectors(OfSamples):
    """Measures the vectors of ``n`` samples, all of them together."""

    def start(self, subject: Subject) -> None:
        """Room for the vectors."""
        self.rows = Rows(self.n, subject.width, what="a feature vector").to(subject.samples.device)

    def look(self, looks: Looks) -> None:
        """Keep the vectors."""
        self.rows.update(looks.vectors, looks.numbers)

    def vectors(self) -> Tensor:
        """All [n,D]."""
        return self.rows.compute().reshape(self.rows.rows.shape)


class OfNetwork(Measurement):
    """Measures a network that looks at images by what is true of them."""

    def check(self, network: Features, references: References) -> None:
        """Refuse what is known to be impossible before anything is computed.

        Raises:
            UserError: it is not a network, or not data, of the right kind.
        """

    def result(self, network: Features, references: References, bar: Bar) -> Result:
        """Do it all."""
        raise NotImplementedError


class OfGenerator(OfImages):
    """Measures a generator by images of its own choice."""

    def images(self) -> int:
        """How many it will make, over all processes."""
        raise NotImplementedError

    def result(self, subject: Subject, progress: Progress) -> Result:
        """Do it all."""
        raise NotImplementedError
