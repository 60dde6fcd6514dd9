"""Kernel inception distance (Binkowski et al. 2018, arXiv:1801.01401)."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.metrics.measure import OfVectors, Result, Subject
from ganfeat.metrics.value import Value, count_name
from ganfeat.ranges import Count, Seed, Several

Indices = NDArray[np.int64]


def kernel_distance(generated: Tensor, real: Tensor, pairs: list[tuple[Indices, Indices]]) -> float:
    """Unbiased squared MMD with the kernel ``(x.y / D + 1)^3``, averaged over subsets.

    Args:
        generated: vectors [N,D].
        real: vectors [M,D].
        pairs: subsets of equal size, as indices into the generated and the real ones.
    """
    values = [_mmd2(generated[a], real[b]) for a, b in pairs]
    return sum(values) / len(values)


def subsets(
    generated: int, real: int, count: int, most: int, seed: int
) -> list[tuple[Indices, Indices]]:
    """Random subsets without repetition, of `most` vectors or as many as there are."""
    rng = np.random.RandomState(seed)
    size = min(generated, real, most)
    return [
        (rng.choice(generated, size, replace=False), rng.choice(real, size, replace=False))
        for _ in range(count)
    ]


def _mmd2(x: Tensor, y: Tensor) -> float:
    x, y = x.double(), y.double()
    n, dim = x.shape
    within = [(v @ v.T / dim + 1) ** 3 for v in (x, y)]
    across = (x @ y.T / dim + 1) ** 3
    same = sum((k.sum() - k.diagonal().sum()) / (n * (n - 1)) for k in within)
    return float(same - 2 * across.mean())


class KID(OfVectors):
    """Kernel distance of samples to real images: ``kid<n>_<network>``. It has no bias in ``n``.

    Args:
        n: number of samples.
        subsets: how many are averaged.
        size: vectors in one, of each side.
        seed: of their choice.
    """

    better = {"kid": "lower"}

    def __init__(
        self, n: Several = 10_000, subsets: Count = 100, size: Several = 1000, seed: Seed = 0
    ) -> None:
        self.n, self.subsets, self.size, self.seed = n, subsets, size, seed

    def check(self, subject: Subject) -> None:
        """A kernel distance takes two vectors."""
        subject.enough("KID", self.n, 2)

    def result(self, subject: Subject) -> Result:
        """One number."""
        network = subject.judge.embedding
        generated = self.vectors()
        real = subject.reference(network, self.n).vectors.to(generated.device)
        pairs = subsets(len(generated), len(real), self.subsets, self.size, self.seed)
        choice = {"subsets": self.subsets, "size": len(pairs[0][0]), "subset_seed": self.seed}
        protocol = subject.protocol(network, real=self.n, **choice)
        name = f"kid{count_name(self.n)}_{network.name}"
        distance = kernel_distance(generated, real, pairs)
        return Result([Value(name, distance, n=self.n, protocol=protocol)])
