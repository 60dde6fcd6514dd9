"""`render`: from factors to pictures, layouts and masks of rooms."""

from collections.abc import Iterable, Mapping
from typing import overload

import numpy as np
import torch
from torch import Tensor

from ganfeat.data.drawn.canvas import check_extras, check_resolution, chunks, grain, halve
from ganfeat.data.drawn.factors import Array
from ganfeat.data.drawn.sampling import Keys, as_keys
from ganfeat.data.synthrooms.camera import Camera
from ganfeat.data.synthrooms.factors import table_of
from ganfeat.data.synthrooms.painting import paint
from ganfeat.data.synthrooms.scene import scene
from ganfeat.data.synthrooms.stage import Room
from ganfeat.errors import UserError

EXTRAS = ("layout", "mask")


def _picture(
    room: Room, family: str, resolution: int, image_key: Keys | None, with_mask: bool
) -> tuple[Tensor, Tensor | None]:
    if resolution < 32:
        # Bars and posts need more than one sample in a pixel: 16 px is drawn twice as large.
        picture = halve(paint(room, family, 2 * resolution, False)[0])
        mask = paint(room, family, resolution, True)[1] if with_mask else None
    else:
        picture, mask = paint(room, family, resolution, with_mask)
    if image_key is not None:
        picture += grain(image_key, resolution, room.number["grain"])
    return picture.clamp_(-1, 1), mask


def _layout(values: Array, family: str, resolution: int) -> Tensor:
    column = table_of(family).column
    view = (values[column[name]] for name in ("corner_x", "camera_yaw", "camera_height"))
    points = Camera(*view).layout()
    return torch.from_numpy(((points + 1) * (resolution / 2)).astype(np.float32))


@torch.no_grad()
def draw(
    values: Array,
    family: str,
    resolution: int,
    device: torch.device,
    image_key: Keys | None,
    extras: tuple[str, ...],
) -> dict[str, Tensor]:
    """What `render` does, from the table of factors [F,N]; without image keys there is no grain."""
    room, with_mask, count = scene(values, family, device), "mask" in extras, values.shape[1]
    drawn = []
    for rows in chunks(count, resolution, device):
        some = room if rows == slice(0, count) else room.rows(rows)
        keys = None if image_key is None else image_key[rows]
        drawn.append(_picture(some, family, resolution, keys, with_mask))
    out = {"image": torch.cat([picture for picture, _ in drawn])}
    if "layout" in extras:
        out["layout"] = _layout(values, family, resolution).to(device)
    if with_mask:
        out["mask"] = torch.cat([mask for _, mask in drawn if mask is not None])
    return out


@overload
def render(
    factors: Mapping[str, Tensor | float],
    resolution: int,
    family: str = ...,
    *,
    grain: bool = ...,
    image_key: Keys | Tensor | None = ...,
    extras: None = ...,
) -> Tensor: ...
@overload
def render(
    factors: Mapping[str, Tensor | float],
    resolution: int,
    family: str = ...,
    *,
    grain: bool = ...,
    image_key: Keys | Tensor | None = ...,
    extras: Iterable[str],
) -> dict[str, Tensor]: ...
@torch.no_grad()
def render(
    factors: Mapping[str, Tensor | float],
    resolution: int,
    family: str = "bedroom",
    *,
    grain: bool = True,
    image_key: Keys | Tensor | None = None,
    extras: Iterable[str] | None = None,
) -> Tensor | dict[str, Tensor]:
    """Draw N rooms.

    Args:
        factors: physical values by name, numbers or [N]; what is missing is neutral. The pictures
            are drawn on the device of these tensors.
        resolution: side R in pixels, a power of two in 16..1024.
        family: `bedroom` or `kitchen`.
        grain: whether the factor `camera_grain` acts.
        image_key: integers [N], seed the grain; the same for all by default.
        extras: any of `layout`, `mask`.

    Returns:
        Images [N,3,R,R] float32 in [-1, 1]. With `extras`, even empty ones, a dict of `image` and
        what was asked for: `layout` [N,6,2] float32, x and y of `POINTS` in pixels from the top
        left corner (so the first pixel's centre is 0.5); `mask` [N,R,R] uint8, the index in
        `CLASSES`.

    Raises:
        UserError: for an unknown factor, family, resolution or extra, or shapes that do not fit
            together.
    """
    table = table_of(family)
    check_resolution(resolution, table.owner)
    wanted = check_extras(extras or (), EXTRAS, table.owner)
    keys = as_keys(0 if image_key is None else image_key)
    values, device = table.complete(factors, len(keys))
    count = values.shape[1]
    if len(keys) not in (1, count):
        raise UserError(
            f"render got {len(keys)} image keys for {count} rooms; expected one per room; give as "
            "many keys as factor values"
        )
    images = np.broadcast_to(keys, count) if grain else None
    out = draw(values, family, resolution, device, images, wanted)
    return out["image"] if extras is None else out
