"""Shapes of the face beside those of `drawn.shapes`, under the same rules of arithmetic."""

from torch import Tensor


def ellipse(s: dict[str, Tensor], name: str, x2: Tensor, y2: Tensor) -> Tensor:
    """First-order distance to an ellipse, negative inside, from *squared* centred coordinates.

    (q - 1) / |grad q| with q = a x^2 + b y^2, a = 1/rx^2, b = 1/ry^2: exact to first order at the
    outline, which is where anti-aliasing looks. `s` holds a, b, 4 a^2 and 4 b^2 under `name`.
    """
    slope = (x2 * s[f"{name}_c"]).add_(y2 * s[f"{name}_d"]).sqrt_()
    # The centre divides by 0 and gives -inf, deep inside, as it should.
    return (x2 * s[f"{name}_a"]).add_(y2 * s[f"{name}_b"]).sub_(1).div_(slope)


def bump(x2: Tensor, y2: Tensor, rx: float, ry: float) -> Tensor:
    """A soft blob, 1 in the middle, falling as a parabola squared to 0 at the radii."""
    inside = (x2 * (1 / (rx * rx))).add_(y2 * (1 / (ry * ry))).neg_().add_(1).clamp_(min=0)
    return inside.mul_(inside)
