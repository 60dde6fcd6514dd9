"""Executing a geometric transform: at twice the resolution, between two wavelet filters.

Karras et al. 2020, "Training generative adversarial networks with limited data", appendix B, the
part of algorithm 1 from padding to downsampling.
"""

import functools

import torch
from torch import Tensor

from ganfeat.training.grid_sample import grid_sample

# The low-pass filter of the sym6 wavelet (Daubechies 1992, table 6.3), normalised to sum 1.
SYM6 = (
    0.01089235016328, 0.00246830618592, -0.08343160770584, -0.03416156079324,
    0.34722898647835, 0.55694639196396, 0.23895218566605, -0.0513624849309,
    -0.01489187564922, 0.03162528132994, 0.00124996104639, -0.00551593375469,
)  # fmt: skip


def warp(images: Tensor, inverse: Tensor) -> Tensor:
    """Move the pixels of images by a matrix each.

    The image goes on by reflection without end, as in the algorithm; its period is upsampled and
    positions are taken modulo that. (The reference pads by what the batch needs, at most H - 1
    pixels, and has zeros beyond.) So nothing depends on the other images or waits for a GPU.

    Args:
        images: [N, C, H, H].
        inverse: [N, 3, 3] from a pixel of the result to where in the image it comes from, in
            pixels (x, y, 1) from the centre.

    Returns:
        [N, C, H, H].
    """
    size = images.shape[-1]
    resamplers: tuple[Tensor, Tensor] = _resamplers(size, images.dtype, images.device)
    up, down = resamplers
    fine = up @ (images @ up.mT)
    # Where each pixel that `down` needs comes from: [N, m, m, 2], in pixels from the centre. The
    # highest tap is the sixth of twelve, so pixel i of the image is pixel 2i of `fine`.
    wanted = torch.arange(-5, 2 * size + 5, dtype=images.dtype, device=images.device)[:, None]
    wanted = wanted / 2 - (size - 1) / 2
    x, y, shift = inverse[:, None, :2].to(images, non_blocking=True).unbind(3)
    found = (x * wanted)[:, None] + (y * wanted + shift)[:, :, None]
    # The same in periods, modulo one; then as the sampler counts, -1 to 1 from edge to edge.
    period = len(up) - 1
    found = found * (2 / period) + 1 / 4
    grid = (2 * (found - found.floor()) - 1) * (period / (period + 1))
    moved: Tensor = grid_sample(fine, grid)
    return down @ (moved @ down.mT)


# torch.compile must take the matrices as given, and not trace into the cache.
@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _resamplers(size: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    return _make_resamplers(size, dtype, device)


@functools.lru_cache(maxsize=16)
def _make_resamplers(size: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Matrices along one axis, by twice: up [4 (size-1) + 1, size], down [size, 2 size + 10].

    `up` yields a period of the reflected image and its first pixel again; `down` reaches five
    pixels beyond each end. Dense products, although most elements are zero: on a CPU they beat
    depthwise convolutions up to 256 pixels.
    """
    with torch.inference_mode(False):  # the cache outlives the mode of its first caller
        taps, tap = torch.tensor(SYM6, dtype=torch.float64), torch.arange(12)
        # Tap t takes pixel i to pixel 2i + t - 5.
        doubled = torch.arange(4 * (size - 1) + 1)[:, None] + 5 - tap
        source = (doubled.div(2, rounding_mode="floor") % (2 * size - 2) - (size - 1)).abs()
        weight = torch.where(doubled % 2 == 0, 2 * taps, 0)
        up = weight.new_zeros(len(doubled), size).scatter_add_(1, size - 1 - source, weight)
        # The transposed filter: the wavelet is orthogonal, so without a warp down undoes up.
        target = 2 * torch.arange(size)[:, None] + tap
        down = taps.new_zeros(size, 2 * size + 10).scatter_(1, target, taps.expand(size, 12))
        return up.to(device, dtype), down.to(device, dtype)
