"""Coverage and waves: the vocabulary that pictures are drawn with.

Only additions, products, quotients, square roots, minima and maxima touch pixels. IEEE 754 fixes
those to the last bit, so a picture is the same on every machine and device; `exp`, `sin`, fused
multiply-adds or a matmul would break that.
"""

import torch
from torch import Tensor


def cover(distance: Tensor, fall: Tensor) -> Tensor:
    """Share of a pixel inside a shape: a one-pixel linear ramp, the box filter of a straight edge.

    `fall` is *minus* the number of pixels per unit of `distance`: how fast coverage drops.
    """
    return (distance * fall).add_(0.5).clamp_(0, 1)


def wave(x: Tensor) -> Tensor:
    """A sine of period 1 made of parabolas: within 6 % of it, and exact on every machine."""
    phase = (x - torch.floor(x)).mul_(2).sub_(1)
    return (phase.abs() - 1).mul_(phase).mul_(4)
