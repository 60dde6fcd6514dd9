"""Losses of StyleGAN2 as pure functions of tensors."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class R1(NamedTuple):
    """``value`` [N]: squared gradient norm; ``gradient`` [N,C,H,W]."""

    value: Tensor
    gradient: Tensor


class PathLength(NamedTuple):
    """``value`` [N]: penalty; ``lengths`` [N]; ``mean`` []: new average; ``gradient`` [N,L,D]."""

    value: Tensor
    lengths: Tensor
    mean: Tensor
    gradient: Tensor


def r1_penalty(images: Tensor, logits: Tensor) -> R1:
    """Squared gradient of the logits with respect to real images (Mescheder et al. 2018, eq. 9).

    The loss is ``gamma / 2`` times the mean. ``images`` must require a gradient.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return R1(gradient.float().square().sum([1, 2, 3]), gradient)


def path_length_penalty(
    images: Tensor,
    ws: Tensor,
    noise: Tensor,
    average: Tensor,
    *,
    decay: float = 0.01,
    reduce_mean: Callable[[Tensor], Tensor] = lambda mean: mean,
) -> PathLength:
    """Squared deviation of path lengths from their running average (StyleGAN2, eq. 4).

    Args:
        images: [N,C,H,W], made from ``ws`` [N,L,D].
        ws: latents in W+ with a graph.
        noise: [N,C,H,W], standard normal divided by sqrt(H W).
        average: running average of the lengths, a scalar.
        decay: how far the average moves towards the batch mean. It stays in the graph: the
            penalty's gradient flows through it, as in the reference.
        reduce_mean: average of a scalar over processes, differentiable.
    """
    (gradient,) = torch.autograd.grad((images * noise).sum(), ws, create_graph=True)
    lengths = gradient.float().square().sum(2).mean(1).sqrt()
    mean = average.lerp(reduce_mean(lengths.mean()), decay)
    return PathLength((lengths - mean).square(), lengths, mean, gradient)
