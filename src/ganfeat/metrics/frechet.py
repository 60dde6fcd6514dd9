"""Frechet distance of Gaussians fitted to feature vectors (Heusel et al. 2017, arXiv:1706.08500).

With the vectors of Inception-2015 it is called FID; with those of any other network it is not.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from ganfeat.errors import UserError
from ganfeat.metrics.rows import finite


class Gaussian(NamedTuple):
    """Mean [D] and covariance [D,D], divided by the number of vectors ``n``, in float64."""

    mean: Tensor
    covariance: Tensor
    n: int

    def unbiased(self) -> "Gaussian":
        """The same with the covariance divided by ``n`` - 1."""
        scale = self.n / (self.n - 1)
        return self._replace(covariance=self.covariance * scale)


class Moments(Metric):
    """Mean and covariance of vectors, summed in float64: nothing is kept of the vectors.

    Args:
        dim: their size D.
    """

    full_state_update = False
    count: Tensor
    total: Tensor
    products: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        double = torch.float64
        self.add_state("count", torch.zeros([], dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros(dim, dtype=double), dist_reduce_fx="sum")
        self.add_state("products", torch.zeros(dim, dim, dtype=double), dist_reduce_fx="sum")

    def update(self, vectors: Tensor) -> None:
        """Add vectors [N,D].

        Raises:
            UserError: one of them is not finite.
        """
        vectors = finite(vectors, "a feature vector").double()
        self.count += len(vectors)
        self.total += vectors.sum(dim=0)
        self.products += vectors.T @ vectors

    def compute(self) -> Gaussian:
        """The Gaussian, on the CPU; of two vectors at least."""
        n = int(self.count)
        if n < 2:
            raise UserError(f"a Gaussian needs two feature vectors or more, there are {n}")
        mean = self.total / n
        covariance = self.products / n - torch.outer(mean, mean)
        return Gaussian(mean.cpu(), covariance.cpu(), n)


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """``|mean difference|^2 + tr(A + B - 2 (A B)^(1/2))``.

    The trace of the root is the sum of the roots of the eigenvalues of ``A^(1/2) B A^(1/2)``, which
    is symmetric, so it stays real where a covariance has no full rank.
    """
    values, vectors = torch.linalg.eigh(a.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ b.covariance @ root).clamp(min=0).sqrt().sum()
    means = (a.mean - b.mean).square().sum()
    return float(means + a.covariance.trace() + b.covariance.trace() - 2 * cross)
