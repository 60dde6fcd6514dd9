"""Paint a room: the bare box with shadows and sunshine, what hangs on its walls, what stands in it.

Light is laid on at the end, all at once: colour times ambient light, daylight and lamplight.
"""

import torch
from torch import Tensor

from ganfeat.data.drawn.canvas import centres
from ganfeat.data.synthrooms.canvas import Canvas
from ganfeat.data.synthrooms.scene import SETS
from ganfeat.data.synthrooms.shell import (
    Shell,
    base_mask,
    level_shade,
    lighting,
    shell,
    soft_box,
    wall_shade,
)
from ganfeat.data.synthrooms.stage import Room

_SHOULDER = 0.45  # how much the brightest parts are compressed, as film does


def paint(
    room: Room, family: str, resolution: int, with_mask: bool
) -> tuple[Tensor, Tensor | None]:
    """Pictures [N,3,R,R], nominally in [-1, 1], and masks [N,R,R] uint8 if asked for."""
    pixels, things = resolution / 2, SETS[family]
    grid = centres(resolution, room.number["corner"].device)
    x, y = grid[None, None, :], grid[None, :, None]
    at = shell(room, x, y, pixels)
    shadow, pattern = things.shadow(room, at), things.pattern(at, pixels)
    image = _box(room, at, shadow, pattern)
    mask = base_mask(at) if with_mask else None
    canvas = Canvas(room, image, mask, x, y, pixels)
    _openings(canvas)
    things.paint(canvas, at)
    return _develop(room, image), mask


def _box(room: Room, at: Shell, shadow: Tensor, pattern: Tensor) -> Tensor:
    """The bare room, [N,5,R,R]."""
    s, ink = room.number, room.ink
    day_wall, day_level, lamp_wall, lamp_level = lighting(room, at)
    day_level.add_(_sunshine(room, at))
    shade = level_shade(at)
    shade.mul_(pattern.sub_(shadow).mul_(at.below).add_(1))
    level = (ink["floor"] - ink["ceiling"])[:, :3] * at.below[:, None] + ink["ceiling"][:, :3]
    image = at.wall.new_empty((len(s["corner"]), 5, *at.wall.shape[1:]))
    torch.mul(level, shade[:, None], out=image[:, :3])
    image[:, 3], image[:, 4] = day_level, lamp_level
    walls = torch.empty_like(image)
    torch.mul(ink["wall"][:, :3], wall_shade(at)[:, None], out=walls[:, :3])
    walls[:, 3], walls[:, 4] = day_wall, lamp_wall
    return image.add_(walls.sub_(image).mul_(at.wall[:, None]))


def _sunshine(room: Room, at: Shell) -> Tensor:
    """The window's bright patch on the floor by day, as daylight."""
    s = room.number
    soft = at.row_depth * 0.03 + 0.06
    across = at.floor_q.mul(0.35).add_(at.floor_p).sub_(s["window_at"])
    patch = soft_box(across, 0.42, soft).mul_(soft_box(at.floor_q - 1.25, 0.5, soft))
    return patch.mul_(s["sun"] * at.below)


def _openings(c: Canvas) -> None:
    """Skirting boards, window and door."""
    low, s = c.around("skirting"), c.room.number
    low.tint(low.quad("skirting.left").add_(low.quad("skirting.right")).clamp_(max=1), "trim")
    _window(c.around("window"), s["window"])
    _door(c.around("door"), s["door"])


def _window(c: Canvas, there: Tensor) -> None:
    c.tint(c.quad("window.frame").mul_(there), "trim", "window")
    c.paint(c.quad("window.sky").mul_(there), "sky")
    c.paint(c.quad("window.hill").mul_(there), "hill")
    bars = torch.maximum(c.quad("window.post"), c.quad("window.bar"))
    bars = torch.maximum(bars, c.quad("window.sill"))
    c.paint(bars.mul_(there), "bars", "window")


def _door(c: Canvas, there: Tensor) -> None:
    c.tint(c.quad("door.frame").mul_(there), "trim", "door")
    c.tint(c.quad("door.leaf").mul_(there), "wood")
    panels = torch.maximum(c.quad("door.upper"), c.quad("door.lower"))
    c.tint(panels.mul_(there), "panel")
    c.tint(c.quad("door.knob").mul_(there), "knob")


def _develop(room: Room, image: Tensor) -> Tensor:
    """Lay the light on, and compress it like film: [N,3,R,R] in [-1, 1]."""
    light = image[:, 3:4] * room.ink["daylight"][:, :3]
    light.add_(image[:, 4:5] * room.ink["lamplight"][:, :3]).add_(room.ink["ambient"][:, :3])
    seen = light.mul_(image[:, :3])
    return seen.mul_(1 + _SHOULDER).div_(seen * (_SHOULDER / (1 + _SHOULDER)) + 1).mul_(2).sub_(1)
