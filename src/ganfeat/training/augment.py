"""The augmentations of ADA: pixel blitting, geometry and colour.

Karras et al. 2020, "Training generative adversarial networks with limited data", appendix B and
its algorithm 1; image-space filtering and cutout are not built. All geometric transforms of an
image become one matrix and one warp, all colour transforms another matrix, so the whole is affine
in the image and has derivatives of any order.

Random numbers are drawn apart from their use: `draw` once for the batch of all processes, then
every process applies its rows, and the result does not depend on how the batch is split.
"""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.training.warp import warp

PRESETS = {"blit": "b", "geom": "g", "color": "c", "b": "b", "bg": "bg", "bgc": "bgc"}
BLIT = ("xflip", "rotate90", "xint")
GEOMETRY = ("scale", "rotate", "aniso", "xfrac")
COLOUR = ("brightness", "contrast", "lumaflip", "hue", "saturation")

# The columns of `draw`: one uniform number a transform that decides whether it happens, then how
# much. A rotation may happen before the anisotropic scaling and, independently, after it.
GATES = (*BLIT, *GEOMETRY, "post_rotate", *COLOUR)
UNIFORM = ("xflip", "rotate90", "xint_x", "xint_y", "rotate", "post_rotate", "lumaflip", "hue")
NORMAL = ("scale", "aniso", "xfrac_x", "xfrac_y", "brightness", "contrast", "saturation")


@dataclass(frozen=True)
class AugmentPipe:
    """Random augmentations; each happens to an image with probability `p` times its multiplier.

    Example: `pipe(images, p, pipe.draw(len(images), generator))`.
    """

    xflip: float = 0
    rotate90: float = 0
    xint: float = 0
    scale: float = 0
    rotate: float = 0
    aniso: float = 0
    xfrac: float = 0
    brightness: float = 0
    contrast: float = 0
    lumaflip: float = 0
    hue: float = 0
    saturation: float = 0

    @classmethod
    def preset(cls, name: str) -> Self:
        """The published sets: `blit`, `geom`, `color`, or initials: `b`, `bg`, `bgc`."""
        if name not in PRESETS:
            raise UserError(f"no augmentation preset {name!r}: choose one of {', '.join(PRESETS)}")
        groups = {"b": BLIT, "g": GEOMETRY, "c": COLOUR}
        return cls(**{transform: 1 for initial in PRESETS[name] for transform in groups[initial]})

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """All random numbers for n images, [n, K]; what is switched off takes its columns too."""
        device = generator.device if generator else torch.device("cpu")
        uniform = torch.rand(n, len(GATES + UNIFORM), generator=generator, device=device)
        normal = torch.randn(n, len(NORMAL), generator=generator, device=device)
        return torch.cat([uniform, normal], dim=1)

    def __call__(self, images: Tensor, p: float | Tensor, draws: Tensor) -> Tensor:
        """Augment.

        Args:
            images: [N, C, H, H] in [-1, 1] (the result may leave it), C 1 or 3 where colour is on.
            p: probability; a number or a tensor without axes. Where `p` and `draws` lie on the
                CPU the matrices are made there; nothing waits for a GPU in either case.
            draws: [N, K] from `draw`.

        Returns:
            [N, C, H, H], of the dtype and memory format of `images`; `images` itself for `p=0.0`.
        """
        if isinstance(p, float | int) and p == 0:
            return images
        if len(draws) != len(images):
            raise ValueError(f"{len(images)} images need as many rows of draws, not {len(draws)}")
        if images.shape[-1] != images.shape[-2]:
            raise ValueError(f"images to augment must be square, not {[*images.shape[-2:]]}")
        amounts = self.amounts(p, draws)
        channels_last = images.is_contiguous(memory_format=torch.channels_last)
        # Under autocast the products below would round the images to bfloat16.
        with torch.autocast(images.device.type, enabled=False):
            augmented = images
            if any(getattr(self, name) for name in BLIT + GEOMETRY):
                augmented = warp(augmented, inverse_geometry(amounts, images.shape[-1]))
            if any(getattr(self, name) for name in COLOUR):
                augmented = recolour(augmented, *colour_matrix(amounts))
        return augmented.contiguous(
            memory_format=torch.channels_last if channels_last else torch.contiguous_format
        )

    def amounts(self, p: float | Tensor, draws: Tensor) -> dict[str, Tensor]:
        """How much of everything each image gets, [N] each; 0 is always "as it was"."""
        p = torch.as_tensor(p, dtype=torch.float32)
        numbers = draws.to(p.device, non_blocking=True).unbind(1)
        n = len(GATES), len(GATES + UNIFORM)
        gate = dict(zip(GATES, numbers[: n[0]], strict=True))
        u = dict(zip(UNIFORM, numbers[n[0] : n[1]], strict=True))
        z = dict(zip(NORMAL, numbers[n[1] :], strict=True))
        # One of two rotations happens with probability p if each does with this one.
        p_rotate = 1 - (1 - (self.rotate * p).clamp(max=1)).sqrt()
        chance = {name: getattr(self, name, 0) * p for name in GATES}
        chance |= {"rotate": p_rotate, "post_rotate": p_rotate}

        def maybe(name: str, amount: Tensor) -> Tensor:
            return torch.where(gate[name] < chance[name], amount, 0)

        return {
            "xflip": maybe("xflip", (2 * u["xflip"]).floor()),
            "quarters": maybe("rotate90", (4 * u["rotate90"]).floor()),
            "xint_x": maybe("xint", 0.125 * (2 * u["xint_x"] - 1)),
            "xint_y": maybe("xint", 0.125 * (2 * u["xint_y"] - 1)),
            "log2_scale": maybe("scale", 0.2 * z["scale"]),
            "rotate": maybe("rotate", math.pi * (2 * u["rotate"] - 1)),
            "log2_aniso": maybe("aniso", 0.2 * z["aniso"]),
            "post_rotate": maybe("post_rotate", math.pi * (2 * u["post_rotate"] - 1)),
            "xfrac_x": maybe("xfrac", 0.125 * z["xfrac_x"]),
            "xfrac_y": maybe("xfrac", 0.125 * z["xfrac_y"]),
            "brightness": maybe("brightness", 0.2 * z["brightness"]),
            "log2_contrast": maybe("contrast", 0.5 * z["contrast"]),
            "lumaflip": maybe("lumaflip", (2 * u["lumaflip"]).floor()),
            "hue": maybe("hue", math.pi * (2 * u["hue"] - 1)),
            "log2_saturation": maybe("saturation", z["saturation"]),
        }


def inverse_geometry(amounts: dict[str, Tensor], size: int) -> Tensor:
    """[N, 3, 3]: from a pixel of the result to where it comes from; the origin is the centre.

    Algorithm 1 up to the padding, inverted factor by factor: what acts last on the image acts
    first here, so the product grows to the right.
    """
    a = amounts
    shrink, squeeze = torch.exp2(-a["log2_scale"]), torch.exp2(-a["log2_aniso"])
    inverse = _scale(1 - 2 * a["xflip"], torch.ones_like(shrink))
    inverse = inverse @ _rotate(math.pi / 2 * a["quarters"])
    inverse = inverse @ _shift(-(a["xint_x"] * size).round(), -(a["xint_y"] * size).round())
    inverse = inverse @ _scale(shrink, shrink)
    inverse = inverse @ _rotate(a["rotate"])
    inverse = inverse @ _scale(squeeze, 1 / squeeze)
    inverse = inverse @ _rotate(a["post_rotate"])
    return inverse @ _shift(-a["xfrac_x"] * size, -a["xfrac_y"] * size)


def colour_matrix(amounts: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Matrix [N, 3, 3] and offset [N, 1, 1] of algorithm 1's colour transforms, in closed form.

    Hue turns colours about the grey axis, saturation scales their distance from it, luma flip
    mirrors along it. These commute, and together are circulant: with flip f = 1 or -1, angle t
    and saturation s, element i, j is (f + 2 s cos(t + (j-i) 2 pi/3)) / 3.
    """
    a = amounts
    contrast, saturation = torch.exp2(a["log2_contrast"]), torch.exp2(a["log2_saturation"])
    flip = 1 - 2 * a["lumaflip"]
    channel = torch.arange(3, device=flip.device)
    angle = a["hue"][:, None, None] + (channel - channel[:, None]) * (2 * math.pi / 3)
    matrix = (flip[:, None, None] + 2 * saturation[:, None, None] * angle.cos()) / 3
    offset = contrast * flip * a["brightness"]
    return contrast[:, None, None] * matrix, offset[:, None, None]


def recolour(images: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Apply matrix [N, 3, 3] and offset [N, 1, 1] to RGB, or the mean of their rows to grey."""
    matrix, offset = (part.to(images, non_blocking=True) for part in (matrix, offset))
    if images.shape[1] == 3:
        return torch.baddbmm(offset, matrix, images.flatten(2)).view(images.shape)
    if images.shape[1] == 1:
        gain = matrix.mean(dim=1).sum(dim=1)
        return images * gain[:, None, None, None] + offset[:, None]
    raise ValueError(f"colour augmentation needs 1 or 3 channels, not {images.shape[1]}")


def _matrix(like: Tensor, rows: list[list[float | Tensor]]) -> Tensor:
    """[N, 3, 3] from numbers and tensors [N]; numbers by fills, as a copy would wait for a GPU."""
    flat = [v if isinstance(v, Tensor) else torch.full_like(like, v) for row in rows for v in row]
    return torch.stack(flat, dim=1).view(-1, 3, 3)


def _scale(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(x, [[x, 0, 0], [0, y, 0], [0, 0, 1]])


def _shift(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(x, [[1, 0, x], [0, 1, y], [0, 0, 1]])


def _rotate(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return _matrix(angle, [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
