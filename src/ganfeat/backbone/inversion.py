"""Latents of given images by optimisation, so that real images can be edited.

The projector of StyleGAN2 (Karras et al. 2020, appendix D) with its constants, but in W+ (Abdal et
al. 2019), and with the error of pixels beside a perceptual distance.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ganfeat.backbone.generator import Generator
from ganfeat.backbone.sampling import inputs

WARM, COOL = 0.05, 0.25  # shares of the steps in which the rate rises, and falls
SHAKEN, SHAKE = 0.75, 0.05  # share of the steps in which latents are shaken, and how much at first
REGULARITY = 1e5  # weight of noise that is nothing but noise
MEASURED = 10_000  # w, from which it is known how far they usually are from their mean

Distance = Callable[[Tensor, Tensor], Tensor]  # of each of images [N,3,R,R] to another: [N]


class Inverted(NamedTuple):
    """What stands for images.

    Attributes:
        ws: [N,L,D].
        noise: an image [N,1,r,r] for each convolution that adds some.
    """

    ws: Tensor
    noise: list[Tensor]


@torch.no_grad()
def invert(
    generator: Generator,
    images: Tensor,
    distance: Distance | None,
    steps: int = 1000,
    lr: float = 0.1,
    seed: int = 0,
    advance: Callable[[int], None] = lambda n: None,
) -> Inverted:
    """Latents in W+, and noise, from which the generator draws ``images`` [N,3,R,R] again.

    Each image is found by itself: others in the batch change nothing.

    Args:
        generator: frozen.
        images: of its size, in [-1,1].
        distance: a perceptual one, which weighs as much as the pixels' error at the start; None for
            pixels alone.
        steps: of Adam.
        lr: its highest rate.
        seed: of how latents are shaken, and of the first noise.
        advance: is told after every step how many images took it.
    """
    start, spread = middle(generator, seed)
    n, rng = len(images), torch.Generator(device=images.device).manual_seed(seed)
    first = generator.draw_noise(1, rng)
    shakes = torch.Generator(device=images.device).manual_seed(seed + 1)
    with torch.enable_grad():
        ws = start.repeat(n, generator.num_ws, 1).requires_grad_(True)
        noise = [x.repeat(n, 1, 1, 1).requires_grad_(True) for x in first]
        optimizer = torch.optim.Adam([ws, *noise], lr=lr, betas=(0.9, 0.999))
        balance: Tensor | None = None
        for i in range(steps):
            done = i / steps
            optimizer.param_groups[0]["lr"] = lr * rate(done)
            shake = spread * SHAKE * max(0.0, 1 - done / SHAKEN) ** 2
            moved = ws + shake * torch.randn(ws.shape[1:], generator=shakes, device=ws.device)
            drawn = generator.synthesize(moved, noise=noise)
            loss = (drawn - images).square().mean(dim=[1, 2, 3])
            if distance is not None:
                seen = distance(drawn, images)
                if balance is None:
                    balance = (loss / seen.clamp(min=1e-12)).detach()
                loss = loss + balance * seen
            for x in noise:
                loss = loss + REGULARITY * regularity(x)
            grads = torch.autograd.grad(loss.sum(), [ws, *noise])
            for parameter, grad in zip([ws, *noise], grads, strict=True):
                parameter.grad = grad
            optimizer.step()
            with torch.no_grad():
                for x in noise:
                    x.sub_(x.mean(dim=[1, 2, 3], keepdim=True))
                    x.mul_(x.square().mean(dim=[1, 2, 3], keepdim=True).rsqrt())
            advance(n)
    return Inverted(ws.detach(), [x.detach() for x in noise])


@torch.no_grad()
def middle(generator: Generator, seed: int) -> tuple[Tensor, float]:
    """The mean of random w [1,1,D], and how far they are from it: the root of the mean square."""
    w = torch.cat([generator.map(z, label) for z, label in inputs(generator, MEASURED, seed)])
    mean = w.mean(dim=0)
    return mean[None, None], float((w - mean).square().sum(dim=1).mean().sqrt())


def rate(done: float) -> float:
    """The share of the highest rate, from the share of steps that is done: up, and down at last."""
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - done) / COOL))
    return fall * min(1.0, done / WARM)


def regularity(noise: Tensor) -> Tensor:
    """How much neighbours in noise images [N,1,r,r] have in common, at all scales: [N]."""
    total = noise.new_zeros(len(noise))
    while True:
        for axis in (2, 3):
            total = total + (noise * noise.roll(1, axis)).mean(dim=[1, 2, 3]).square()
        if noise.shape[-1] <= 8:
            return total
        noise = F.avg_pool2d(noise, 2)
