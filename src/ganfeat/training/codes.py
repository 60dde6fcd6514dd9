"""Random latents of a generator, as iterations draw them."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ganfeat.backbone import Generator
from ganfeat.training.draws import Draws


def random_codes(generator: Generator, draws: Draws, count: int = 1) -> tuple[Tensor, Tensor]:
    """Our share of z and w, ``count`` for each sample: [n,count,Z] and [n,count,D].

    Nothing is truncated; classes are drawn at random where there are some. They are where the
    generator is, wherever numbers are drawn.
    """
    device = generator.w_avg.device
    z = draws.randn("z", count, generator.z_dim).flatten(0, 1).to(device)
    label = None
    if generator.label_dim:
        rows = draws.randint("z label", generator.label_dim, count).flatten().to(device)
        label = F.one_hot(rows, generator.label_dim).to(z)
    with torch.no_grad():
        w = generator.map(z, label)
    return z.view(-1, count, generator.z_dim), w.view(-1, count, generator.w_dim)
