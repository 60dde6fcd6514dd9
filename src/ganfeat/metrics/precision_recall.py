"""Improved precision and recall (Kynkaanniemi et al. 2019, arXiv:1904.06991)."""

from typing import NamedTuple

import torch
from torch import Tensor

from ganfeat.metrics.measure import OfVectors, Result, Subject
from ganfeat.metrics.reference import spread
from ganfeat.metrics.value import count_name, mean_value
from ganfeat.ranges import Count, Several

ROWS = 2048  # of a distance matrix at a time


class PrecisionRecall(NamedTuple):
    """Per vector, whether it lies in the other set's manifold; the means are the metrics.

    `precise` [N]: generated vectors among the real ones; `recalled` [M]: real among generated.
    """

    precise: Tensor
    recalled: Tensor


def precision_recall(generated: Tensor, real: Tensor, k: int = 3) -> PrecisionRecall:
    """Manifolds of balls around vectors [N,D] and [M,D], each reaching its k-th neighbour."""
    return PrecisionRecall(
        _inside(generated, real, radii(real, k)), _inside(real, generated, radii(generated, k))
    )


def radii(vectors: Tensor, k: int) -> Tensor:
    """Squared distance of each vector to its k-th nearest other one, [N]."""
    found = [
        _squared(v, vectors).topk(k + 1, dim=1, largest=False).values[:, k]
        for v in torch.split(vectors, ROWS)
    ]
    return torch.cat(found)  # the nearest of all is the vector itself


def _inside(vectors: Tensor, centres: Tensor, reach: Tensor) -> Tensor:
    found = [(_squared(v, centres) <= reach).any(dim=1) for v in torch.split(vectors, ROWS)]
    return torch.cat(found)


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances [n,m], by a product in float64: in float32 it would lose the small ones."""
    a, b = a.double(), b.double()
    lengths = a.square().sum(dim=1)[:, None] + b.square().sum(dim=1)
    return torch.addmm(lengths, a, b.T, alpha=-2).clamp_(min=0)


class PrecisionAndRecall(OfVectors):
    """``precision<n>_<network>`` and ``recall<n>_<network>``.

    They are compared with as many real images, or all where there are fewer.

    Args:
        n: number of samples.
        k: which neighbour a ball reaches.
    """

    better = {"precision": "higher", "recall": "higher"}

    def __init__(self, n: Several = 10_000, k: Count = 3) -> None:
        self.n, self.k = n, k

    def check(self, subject: Subject) -> None:
        """A ball that reaches the k-th neighbour takes k + 1 vectors."""
        subject.enough("precision and recall", self.n, self.k + 1)

    def result(self, subject: Subject) -> Result:
        """Two numbers, each with an interval."""
        network = subject.judge.embedding
        generated, known = self.vectors(), subject.reference(network, self.n).vectors
        real = known[spread(len(known), self.n)].to(generated.device)
        found = precision_recall(generated, real, self.k)
        protocol = subject.protocol(network, real=self.n, k=self.k, compared_with=len(real))
        end = f"{count_name(self.n)}_{network.name}"
        return Result(
            [
                mean_value(f"precision{end}", found.precise.double().cpu().numpy(), protocol),
                mean_value(f"recall{end}", found.recalled.double().cpu().numpy(), protocol),
            ]
        )
