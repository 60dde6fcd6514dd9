"""W of a frozen generator as navigators see it: its principal axes, and codes to start from."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ganfeat.backbone import Generator
from ganfeat.backbone.sampling import inputs

SAMPLES = 100_000  # of w, from which axes are taken
AT_ONCE = 10_000


class Axes(NamedTuple):
    """The principal axes of W.

    Attributes:
        mean: [D].
        directions: unit vectors [D,D] as rows, along which W varies most first. The largest number
            of each is positive, so that they are the same on every machine.
        deviations: of W along them, [D].
    """

    mean: Tensor
    directions: Tensor
    deviations: Tensor

    @property
    def unit(self) -> float:
        """How far a number of w usually is from its mean: the root of the mean variance."""
        return float(self.deviations.square().mean().sqrt())


@torch.no_grad()
def axes(generator: Generator, seed: int, n: int = SAMPLES) -> Axes:
    """Principal component analysis of ``n`` random w, without truncation."""
    width = generator.w_dim
    total, products = torch.zeros(width).double(), torch.zeros(width, width).double()
    for z, label in inputs(generator, n, seed, AT_ONCE):
        w = generator.map(z, label).double().cpu()
        total += w.sum(dim=0)
        products += w.T @ w
    mean = total / n
    energies, columns = torch.linalg.eigh(products / n - torch.outer(mean, mean))
    rows = columns.T.flip(0)
    largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
    deviations = energies.flip(0).clamp(min=0).sqrt()
    return Axes(mean.float(), (rows * largest.sign()).float(), deviations.float())


def cuts(num_ws: int, count: int) -> list[int]:
    """Where ``num_ws`` layers are cut into ``count`` equal segments, ends included.

    Cuts are rounded down, so some segments are empty where there are more of them than layers.
    """
    return [i * num_ws // count for i in range(count + 1)]


def mixed(w: Tensor, num_ws: int) -> Tensor:
    """Start codes [N,L,D] of which each segment of layers is of another w: [N,count,D].

    methods/contrafeat.md, 2.4.
    """
    ends = cuts(num_ws, w.shape[1])
    sizes = torch.tensor([b - a for a, b in pairwise(ends)], device=w.device)
    return w.repeat_interleave(sizes, dim=1)
