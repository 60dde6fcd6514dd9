"""The two kinds of measurements, and what they share.

`OfSamples` look at images that somebody else makes, so that one pass over samples feeds all of
them. `OfGenerator` make their own (pairs, paths). What they count lies in torchmetrics, whose
states are sums or bounded and come together from all processes in `compute`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from ganfeat.features import Features
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import Judge, Looks, Samples
from ganfeat.metrics.value import Value
from ganfeat.networks import state_hash

Progress = Callable[[int], None]  # is told how many images more are done


@dataclass(frozen=True)
class Subject:
    """A generator to be measured.

    Attributes:
        samples: its images.
        judge: the networks that measure.
        references: the same of real images.
        rank, ranks: which share of the work is this process's.
    """

    samples: Samples
    judge: Judge
    references: References
    rank: int = 0
    ranks: int = 1

    def protocol(self, *networks: Features, real: int = 0, **more: Any) -> dict[str, Any]:
        """What a number depends on: networks, truncation, noise, ``real`` images and more."""
        return {
            "networks": {n.name: {"weights": state_hash(n), "resize": n.resize} for n in networks},
            "psi": self.samples.psi,
            "noise": "random",
            "seed": self.samples.seed,
            "data": self.references.fingerprint(real) if real else None,
            **more,
        }


class Result(NamedTuple):
    """What a measurement gives: numbers, and what is to be drawn (name -> nested list)."""

    values: list[Value]
    arrays: Mapping[str, Any] = MappingProxyType({})


class Rows(Metric):
    """Rows of numbers with a place for each, so that their order does not depend on processes.

    Args:
        n: number of rows.
        width: numbers in a row.
    """

    full_state_update = False
    rows: Tensor
    filled: Tensor

    def __init__(self, n: int, *width: int) -> None:
        super().__init__()
        self.add_state("rows", torch.zeros(n, *width, dtype=torch.float32), dist_reduce_fx="sum")
        self.add_state("filled", torch.zeros(n, dtype=torch.int32), dist_reduce_fx="sum")

    def update(self, rows: Tensor, numbers: Tensor) -> None:
        """Put rows [N,*width] where ``numbers`` [N] say; those beyond the end are left out."""
        numbers = numbers.to(rows.device)
        fits = numbers < len(self.rows)
        self.rows[numbers[fits]] = rows[fits].to(self.rows.dtype)
        self.filled[numbers[fits]] += 1

    def compute(self) -> Tensor:
        """All rows [n,*width], on the CPU."""
        if not bool((self.filled == 1).all()):
            raise RuntimeError(f"{int((self.filled != 1).sum())} rows were not filled once")
        return self.rows.cpu()


class OfSamples:
    """Measures images that it is shown.

    Attributes:
        n: how many it wants: the first ``n`` samples.
    """

    n: int

    def applies(self, judge: Judge) -> bool:
        """Whether this judge can do it."""
        return True

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
        """Their size is not known yet."""
        self.rows: Rows | None = None

    def look(self, looks: Looks) -> None:
        """Keep the vectors."""
        if self.rows is None:
            self.rows = Rows(self.n, looks.vectors.shape[1]).to(looks.vectors.device)
        self.rows.update(looks.vectors, looks.numbers)

    def vectors(self) -> Tensor:
        """All [n,D], on the CPU."""
        assert self.rows is not None
        return self.rows.compute()


class OfGenerator:
    """Measures a generator by images of its own choice."""

    def applies(self, judge: Judge) -> bool:
        """Whether this judge can do it."""
        return True

    def images(self) -> int:
        """How many it will ask for, over all processes."""
        raise NotImplementedError

    def result(self, subject: Subject, progress: Progress) -> Result:
        """Do it all."""
        raise NotImplementedError
