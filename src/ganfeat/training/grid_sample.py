"""Bilinear `grid_sample` that can be differentiated any number of times.

PyTorch gives `grid_sampler_2d_backward` no derivative, so R1 on augmented images (Karras et al.
2020, "Training generative adversarial networks with limited data") fails with the stock function.
Sampling at fixed positions is linear in the image, y = S x. Its derivative is the transposed map
S', whose derivative is S again: two functions that are each other's backward give all orders.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BILINEAR, ZEROS = 0, 0  # as aten numbers its interpolation and padding modes


# Traced into, the second derivative is silently lost (torch 2.12, functional gradients).
@torch.compiler.allow_in_graph  # type: ignore[untyped-decorator]
def grid_sample(images: Tensor, grid: Tensor) -> Tensor:
    """Read images between their pixels; zero outside, `align_corners=False`.

    Args:
        images: [N, C, H, W].
        grid: [N, h, w, 2], the (x, y) to read at, -1 and 1 being the outer edges of the image;
            a constant: no gradient flows to it.

    Returns:
        [N, C, h, w], differentiable any number of times with respect to `images`.
    """
    if grid.requires_grad:
        raise ValueError("grid_sample has no derivative by the grid: pass grid.detach()")
    sampled: Tensor = _Sample.apply(images, grid)  # type: ignore[no-untyped-call]
    return sampled


class _Sample(torch.autograd.Function):
    """y = S x."""

    @staticmethod
    def forward(images: Tensor, grid: Tensor) -> Tensor:
        return F.grid_sample(images, grid, "bilinear", "zeros", align_corners=False)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        images, grid = inputs
        ctx.save_for_backward(grid)
        ctx.size = images.shape[-2:]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        images_grad = _Scatter.apply(grad, grid, *ctx.size)  # type: ignore[no-untyped-call]
        return images_grad, None


class _Scatter(torch.autograd.Function):
    """g = S' y: every output pixel hands its value back to the four it was read from."""

    @staticmethod
    def forward(values: Tensor, grid: Tensor, height: int, width: int) -> Tensor:
        # aten asks for the images, but for this half of the answer looks at their shape alone.
        images = values.new_zeros(()).expand(*values.shape[:2], height, width)
        scattered: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            values, images, grid, BILINEAR, ZEROS, False, [True, False]
        )[0]
        return scattered

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int, int], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (grid,) = ctx.saved_tensors
        values_grad = _Sample.apply(grad, grid)  # type: ignore[no-untyped-call]
        return values_grad, None, None, None
