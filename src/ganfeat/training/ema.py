"""Exponential moving average of weights, with its half-life counted in images."""

import torch
from torch import nn


def ema_decay(
    batch_size: int, images_seen: int, half_life_kimg: float, rampup: float | None
) -> float:
    """Weight of the old average after one batch: 0.5 ** (batch / half-life).

    With ``rampup`` the half-life never exceeds that fraction of the images seen so far, so that a
    short run forgets its first steps (StyleGAN2-ADA, arXiv:2006.06676, appendix).
    """
    half_life = half_life_kimg * 1000
    if rampup is not None:
        half_life = min(half_life, images_seen * rampup)
    return float(0.5 ** (batch_size / max(half_life, 1e-8)))


@torch.no_grad()
def update_ema(
    average: nn.Module, model: nn.Module, decay: float, *, buffers: bool = False
) -> None:
    """Move the parameters of ``average`` towards ``model`` by 1 - decay and copy its buffers.

    With ``buffers`` those with real numbers move too, as statistics of batch norms must: they
    belong to the weights with which they were gathered.
    """
    targets, sources = [*average.parameters()], [*model.parameters()]
    torch._foreach_lerp_([*targets], [*sources], 1 - decay)
    for target, source in zip(average.buffers(), model.buffers(), strict=True):
        if buffers and target.is_floating_point():
            target.lerp_(source, 1 - decay)
        else:
            target.copy_(source)
