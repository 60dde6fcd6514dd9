"""What a batch of pictures is drawn on: sizes, extras, chunks, pixel centres, camera grain."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from ganfeat.data.drawn.sampling import Keys
from ganfeat.errors import UserError

RESOLUTIONS = (16, 32, 64, 128, 256, 512, 1024)

# Some 30 planes of [N,R,R] floats are alive at once: draw as many images at a time as keeps them in
# the caches. Measured on two cores; a GPU takes the whole batch up to a memory bound.
_CHUNK_PIXELS = {"cpu": 1 << 17, "cuda": 1 << 24}


def check_resolution(resolution: int, owner: str) -> None:
    """Raise UserError unless the resolution is a power of two in 16..1024."""
    if resolution not in RESOLUTIONS:
        raise UserError(
            f"{owner} cannot be drawn at resolution {resolution}; expected a power of two from "
            "16 to 1024; change data.resolution"
        )


def check_extras(extras: Iterable[str], known: tuple[str, ...], owner: str) -> tuple[str, ...]:
    """The extras as a tuple; raises UserError for one that is not known."""
    names = (extras,) if isinstance(extras, str) else tuple(extras)
    for name in names:
        if name not in known:
            raise UserError(
                f"{owner} has no extra {name!r}; expected some of {', '.join(known)}; "
                "correct data.extras"
            )
    return names


def chunks(count: int, resolution: int, device: torch.device) -> Iterator[slice]:
    """The images to draw at a time; one empty slice where there are none."""
    step = max(1, _CHUNK_PIXELS.get(device.type, 1 << 22) // resolution**2)
    return (slice(at, min(at + step, count)) for at in range(0, max(count, 1), step))


def centres(resolution: int, device: torch.device) -> Tensor:
    """Where the centres of the pixels are along a side that spans [-1, 1]: [R]."""
    return ((torch.arange(resolution, device=device) * 2 + 1).float() / resolution).sub_(1)


def halve(image: Tensor) -> Tensor:
    """Mean of 2 x 2 pixels, added in a fixed order."""
    rows = image[..., ::2, :] + image[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)


def grain(image_key: Keys, resolution: int, strength: Tensor) -> Tensor:
    """Triangular noise [N,1,R,R] of standard deviation `strength` [N,1,1], one draw per pixel."""
    folded = (image_key ^ (image_key >> np.uint64(32))).astype(np.uint32).view(np.int32)
    seeds = _mix32(torch.from_numpy(folded))
    place = torch.arange(resolution**2, dtype=torch.int32, device=strength.device)
    bits = _mix32(seeds[:, None].to(strength.device) + place * -1640531535)
    both = (bits & 0xFFFF).add_((bits >> 16) & 0xFFFF)
    noise = both.float().sub_(65535).mul_(6**0.5 / 65536)
    return noise.view(-1, resolution, resolution).mul_(strength)[:, None]


def _mix32(x: Tensor) -> Tensor:
    """Wellons' lowbias32 finaliser on int32: cheap enough for every pixel."""
    x = (x ^ ((x >> 16) & 0xFFFF)).mul_(0x7FEB352D)
    x = (x ^ ((x >> 15) & 0x1FFFF)).mul_(-2073254261)
    return x ^ ((x >> 16) & 0xFFFF)
