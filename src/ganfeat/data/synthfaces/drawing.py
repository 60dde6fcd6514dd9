"""`render`: from factors to pictures, landmarks, visibility and masks."""

from collections.abc import Iterable, Mapping
from typing import overload

import numpy as np
import torch
from torch import Tensor

from ganfeat.data.drawn.canvas import check_extras, check_resolution, chunks, grain, halve
from ganfeat.data.drawn.factors import Array
from ganfeat.data.drawn.sampling import Keys, as_keys
from ganfeat.data.drawn.shapes import cover
from ganfeat.data.synthfaces import parts
from ganfeat.data.synthfaces.factors import TABLE
from ganfeat.data.synthfaces.geometry import Geometry, geometry
from ganfeat.data.synthfaces.painting import CLASSES, paint
from ganfeat.errors import UserError

# Left and right are the picture's.
LANDMARKS = (
    "left eye", "right eye", "left eye's inner corner", "right eye's inner corner", "nose tip",
    "left mouth corner", "right mouth corner", "chin", "left brow", "right brow",
)  # fmt: skip
EXTRAS = ("landmarks", "visible", "mask")

_PARTS = (
    "eyes", "eyes", "eyes", "eyes", "nose", "mouth", "mouth", "skin", "brows", "brows",
)  # fmt: skip
_NOSE_TIP, _CHIN = LANDMARKS.index("nose tip"), LANDMARKS.index("chin")


def _picture(
    g: Geometry, resolution: int, freckles: Tensor, image_key: Keys | None, with_mask: bool
) -> tuple[Tensor, Tensor | None]:
    if resolution < 32:
        # A nose of one pixel needs more than one sample: 16 px is drawn twice as large.
        picture = halve(paint(g, 2 * resolution, freckles, False)[0])
        mask = paint(g, resolution, freckles, True)[1] if with_mask else None
    else:
        picture, mask = paint(g, resolution, freckles, with_mask)
    if image_key is not None:
        picture += grain(image_key, resolution, g.scalar["grain"])
    return picture.clamp_(-1, 1), mask


def _landmarks(g: Geometry, resolution: int) -> tuple[Tensor, Tensor]:
    """Landmarks [N,10,2] in pixels, and whether each lies in the picture with nothing before it."""
    s = g.scalar
    u, v = g.points[:, None, :, 0], g.points[:, None, :, 1]
    square = s["zoom"] * s["zoom"]
    x = (u * s["roll_cos"] - v * s["roll_sin"]) * square + s["move_x"]
    y = (u * s["roll_sin"] + v * s["roll_cos"]) * square + s["move_y"]
    # A huge number of pixels per unit: at a point, coverage is yes or no.
    f = parts.surface(s, u, v, torch.full_like(s["zoom"], -1e5))
    before = torch.maximum(cover(parts.front_hair(s, f), f.fall), parts.hat(s, f)[0])
    before = torch.maximum(before, parts.glasses(s, f)[0])
    nose = cover(parts.nose(s, f)[0], f.fall)
    nose[..., _NOSE_TIP] = 0
    seen = (torch.maximum(before, nose) < 0.5) & (x.abs() < 1) & (y.abs() < 1)
    return torch.stack([x, y], -1)[:, 0].add(1).mul(resolution / 2), seen[:, 0]


def _stamp(mask: Tensor, spots: Tensor, seen: Tensor, beard: Tensor) -> None:
    """Give each visible landmark's pixel to its part, in place.

    Elsewhere a pixel is whose share of it is large, and in a small picture a brow between hair and
    glasses would own none.
    """
    place = spots.long().clamp_(0, mask.shape[-1] - 1)
    for k, part in enumerate(_PARTS):
        rows = seen[:, k].nonzero()[:, 0]
        owner = torch.full_like(rows, CLASSES.index(part), dtype=mask.dtype)
        if k == _CHIN:
            owner[beard[rows, 0, 0] > 0] = CLASSES.index("beard")
        mask[rows, place[rows, k, 1], place[rows, k, 0]] = owner


@torch.no_grad()
def draw(
    values: Array,
    resolution: int,
    device: torch.device,
    person_key: Keys,
    image_key: Keys | None,
    extras: tuple[str, ...],
) -> dict[str, Tensor]:
    """What `render` does, from the table of factors [F,N]; without image keys there is no grain."""
    g, with_mask = geometry(values, device), "mask" in extras
    freckles = parts.freckle_table(person_key).to(device)
    count = values.shape[1]
    drawn = []
    for rows in chunks(count, resolution, device):
        some = g if rows == slice(0, count) else g.rows(rows)
        keys = None if image_key is None else image_key[rows]
        drawn.append(_picture(some, resolution, freckles[rows], keys, with_mask))
    out = {"image": torch.cat([picture for picture, _ in drawn])}
    if extras:
        spots, seen = _landmarks(g, resolution)
        out |= {"landmarks": spots, "visible": seen}
    if with_mask:
        out["mask"] = torch.cat([mask for _, mask in drawn if mask is not None])
        _stamp(out["mask"], spots, seen, g.scalar["beard"])
    return {name: value for name, value in out.items() if name == "image" or name in extras}


@overload
def render(
    factors: Mapping[str, Tensor | float],
    resolution: int,
    *,
    grain: bool = ...,
    person_key: Keys | Tensor | None = ...,
    image_key: Keys | Tensor | None = ...,
    extras: None = ...,
) -> Tensor: ...
@overload
def render(
    factors: Mapping[str, Tensor | float],
    resolution: int,
    *,
    grain: bool = ...,
    person_key: Keys | Tensor | None = ...,
    image_key: Keys | Tensor | None = ...,
    extras: Iterable[str],
) -> dict[str, Tensor]: ...
@torch.no_grad()
def render(
    factors: Mapping[str, Tensor | float],
    resolution: int,
    *,
    grain: bool = True,
    person_key: Keys | Tensor | None = None,
    image_key: Keys | Tensor | None = None,
    extras: Iterable[str] | None = None,
) -> Tensor | dict[str, Tensor]:
    """Draw N faces.

    Args:
        factors: physical values by name, numbers or [N]; what is missing is neutral. The pictures
            are drawn on the device of these tensors.
        resolution: side R in pixels, a power of two in 16..1024.
        grain: whether the factor `camera_grain` acts.
        person_key: integers [N], decide where freckles are; the same for all by default.
        image_key: integers [N], seed the grain; the same for all by default.
        extras: any of `landmarks`, `visible`, `mask`.

    Returns:
        Images [N,3,R,R] float32 in [-1, 1]. With `extras`, even empty ones, a dict of `image` and
        what was asked for: `landmarks` [N,10,2] float32, x and y in pixels from the top left corner
        (so the first pixel's centre is 0.5); `visible` [N,10] bool; `mask` [N,R,R] uint8, the index
        in `CLASSES`.

    Raises:
        UserError: for an unknown factor, resolution or extra, or shapes that do not fit together.
    """
    check_resolution(resolution, TABLE.owner)
    wanted = check_extras(extras or (), EXTRAS, TABLE.owner)
    keys = [as_keys(0 if given is None else given) for given in (person_key, image_key)]
    values, device = TABLE.complete(factors, max(len(keys[0]), len(keys[1])))
    count = values.shape[1]
    if any(len(k) not in (1, count) for k in keys):
        raise UserError(
            f"render got {len(keys[0])} person and {len(keys[1])} image keys for {count} faces; "
            "expected one per face; give as many keys as factor values"
        )
    persons, images = (np.broadcast_to(k, count) for k in keys)
    out = draw(values, resolution, device, persons, images if grain else None, wanted)
    return out["image"] if extras is None else out
