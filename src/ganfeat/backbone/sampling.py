"""Random latents by the thousand, the same whatever the machine and however many at once."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ganfeat.backbone.generator import Generator

SHARE = 500  # at once


def inputs(
    generator: Generator, n: int, seed: int, share: int = SHARE
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """``n`` random z, a ``share`` at a time; with classes, where there are some, at random."""
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(n, generator.z_dim, generator=rng).to(generator.w_avg.device)
    classes = torch.randint(max(generator.label_dim, 1), [n], generator=rng)
    labels = F.one_hot(classes, max(generator.label_dim, 1)).to(z)
    parts = zip(torch.split(z, share), torch.split(labels, share), strict=True)
    for some, label in parts:
        yield some, label if generator.label_dim else None
