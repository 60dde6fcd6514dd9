"""Signed distances and coverage: the vocabulary the face is drawn with.

Only additions, products, quotients, square roots, minima and maxima touch pixels. IEEE 754 fixes
those to the last bit, so a picture is the same on every machine and device; `exp`, `sin`, fused
multiply-adds or a matmul would break that.
"""

import torch
from torch import Tensor

Radius = Tensor | float


def ellipse(x2: Tensor, y2: Tensor, rx: Radius, ry: Radius) -> Tensor:
    """First-order distance to an ellipse, negative inside, from *squared* centred coordinates.

    (q - 1) / |grad q| with q = x^2/rx^2 + y^2/ry^2: exact to first order at the outline, which is
    where anti-aliasing looks.
    """
    a, b = 1 / (rx * rx), 1 / (ry * ry)
    slope = (x2 * (4 * a * a)).add_(y2 * (4 * b * b)).add_(1e-6).sqrt_()
    return (x2 * a).add_(y2 * b).sub_(1).div_(slope)


def cover(distance: Tensor, fall: Tensor) -> Tensor:
    """Share of a pixel inside a shape: a one-pixel linear ramp, the box filter of a straight edge.

    `fall` is *minus* the number of pixels per unit of `distance`: how fast coverage drops.
    """
    return (distance * fall).add_(0.5).clamp_(0, 1)


def bump(x2: Tensor, y2: Tensor, rx: Radius, ry: Radius) -> Tensor:
    """A soft blob, 1 in the middle, falling as a parabola squared to 0 at the radii."""
    inside = (x2 * (1 / (rx * rx))).add_(y2 * (1 / (ry * ry))).neg_().add_(1).clamp_(min=0)
    return inside.mul_(inside)


def wave(x: Tensor) -> Tensor:
    """A sine of period 1 made of parabolas: within 6 % of it, and exact on every machine."""
    phase = (x - torch.floor(x)).mul_(2).sub_(1)
    return (phase.abs() - 1).mul_(phase).mul_(4)
