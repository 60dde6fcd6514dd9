"""Perceptual path length (Karras et al. 2019, arXiv:1812.04948; ppl2_wend: 2020, 1912.04958)."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F


def keep_middle(distances: ArrayLike, low: float = 1, high: float = 99) -> NDArray[Any]:
    """Distances between two percentiles, which are rounded outwards to a distance that occurs."""
    values: NDArray[Any] = np.asarray(distances)
    least = np.percentile(values, low, method="lower")
    most = np.percentile(values, high, method="higher")
    kept: NDArray[Any] = values[(values >= least) & (values <= most)]
    return kept


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Along the great circle from ``a`` to ``b`` [N,D], both made unit vectors; ``t`` [N,1]."""
    a, b = (F.normalize(v, dim=-1) for v in (a, b))
    cosine = (a * b).sum(dim=-1, keepdim=True)
    angle = t * torch.acos(cosine)
    across = b - cosine * a
    found = a * angle.cos() + F.normalize(across, dim=-1) * angle.sin()
    return F.normalize(found, dim=-1)
