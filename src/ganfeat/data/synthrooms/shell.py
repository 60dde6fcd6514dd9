"""The bare room: walls, floor and ceiling with the light on them, and what the light comes from.

Every ray from the camera meets a wall at a depth that only its column decides, and the floor or the
ceiling at a depth that only its row decides: most of a room is drawn from lines of numbers.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganfeat.data.drawn.factors import Array
from ganfeat.data.drawn.shapes import wave
from ganfeat.data.synthrooms.camera import CEILING, FOCAL, HORIZON, Camera
from ganfeat.data.synthrooms.canvas import CODE
from ganfeat.data.synthrooms.stage import DAY, FADE_DAY, FADE_LAMP, Room

_FARTHEST = 9.0  # metres; beyond every wall


def view(camera: Camera) -> dict[str, Array]:
    """The camera as numbers to draw with."""
    wide = {"across": camera.sin / FOCAL, "along": camera.cos / FOCAL}
    drop = FOCAL * camera.height
    rise = FOCAL * (CEILING - camera.height)
    # One over the depth of a wall is a line over the columns: far from its own wall it is larger.
    left, right = -wide["along"] / camera.q, wide["across"] / camera.p
    return {
        "corner": camera.corner,
        "camera_p": camera.p,
        "camera_q": camera.q,
        "height": camera.height,
        "sin": camera.sin,
        "cos": camera.cos,
        **wide,
        "left_slope": left,
        "left_start": camera.sin / camera.q,
        "right_slope": right,
        "right_start": camera.cos / camera.p,
        "drop": drop,
        "rise": rise,
        "floor_left": 1 / np.sqrt(1 + (drop * left) ** 2),
        "floor_right": 1 / np.sqrt(1 + (drop * right) ** 2),
        "ceiling_left": 1 / np.sqrt(1 + (rise * left) ** 2),
        "ceiling_right": 1 / np.sqrt(1 + (rise * right) ** 2),
    }


@dataclass(frozen=True)
class Shell:
    """Where the rays of the pixels meet the room.

    `left` [N,1,R]: share of the left wall in a column; `depth`, `p`, `q` [N,1,R] of the wall there;
    `wall` [N,R,R]: share of the walls in a pixel; `up` [N,R,R] metres, its height on the wall;
    `below` [1,R,1]: 1 under the horizon; `floor_p`, `floor_q` [N,R,R] metres on floor or ceiling;
    `row_depth` [N,R,1] of them.
    """

    left: Tensor
    depth: Tensor
    p: Tensor
    q: Tensor
    wall: Tensor
    up: Tensor
    below: Tensor
    floor_p: Tensor
    floor_q: Tensor
    row_depth: Tensor


def shell(room: Room, x: Tensor, y: Tensor, pixels: float) -> Shell:
    """The room under picture coordinates x [1,1,R], y [1,R,1]."""
    s = room.number
    left = ((x - s["corner"]) * -pixels).add_(0.5).clamp_(0, 1)
    inverse = torch.maximum(
        x * s["left_slope"] + s["left_start"], x * s["right_slope"] + s["right_start"]
    )
    depth, dy = 1 / inverse, y - HORIZON
    to_p, to_q = x * s["across"] + s["cos"], s["sin"] - x * s["along"]

    def edge(line: str, drop: Tensor) -> tuple[Tensor, Tensor]:
        steep = (left * (s[f"{line}_left"] - s[f"{line}_right"]) + s[f"{line}_right"]) * pixels
        return steep, (inverse * drop).mul_(steep)

    steep, line = edge("ceiling", s["rise"])
    wall = (dy * steep).add_(line.add_(0.5)).clamp_(0, 1)
    steep, line = edge("floor", s["drop"])
    wall.add_((line.sub_(0.5) - dy * steep).clamp_(-1, 0)).clamp_(min=0)
    below = (dy > 0).to(dy.dtype)
    drop = below * (s["drop"] - s["rise"]) + s["rise"]
    row_depth = (drop / dy.abs().clamp(min=1e-3)).clamp_(max=_FARTHEST)
    return Shell(
        left=left,
        depth=depth,
        p=s["camera_p"] - depth * to_p,
        q=s["camera_q"] - depth * to_q,
        wall=wall,
        up=s["height"] - dy * (depth * (1 / FOCAL)),
        below=below,
        floor_p=s["camera_p"] - row_depth * to_p,
        floor_q=s["camera_q"] - row_depth * to_q,
        row_depth=row_depth,
    )


def _light(far2: Tensor, base: Tensor, gain: Tensor, fade: float) -> Tensor:
    """Light that falls with the squared distance `far2`, in place: base + gain / (1 + fade d^2)."""
    torch.div(gain, far2.mul_(fade).add_(1), out=far2)
    return far2.add_(base)


def lighting(room: Room, at: Shell) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Daylight on walls, and on floor and ceiling; lamplight on both: four of [N,R,R]."""
    s = room.number
    zero = torch.zeros_like(s["window"])

    def on(kind: int, by: Tensor, one: str, other: str) -> Tensor:
        return by * (DAY[one][kind] - DAY[other][kind]) + DAY[other][kind]

    def wall(source: str, p: Tensor, q: Tensor) -> Tensor:
        aside = (at.p - p).square_() + (at.q - q).square_()
        return (at.up - s[f"{source}_up"]).square_().add_(aside)

    def level(source: str, p: Tensor, q: Tensor) -> Tensor:
        up = at.below * -CEILING + CEILING
        aside = (at.floor_p - p).square_().add_((at.floor_q - q).square_())
        return aside.add_((up - s[f"{source}_up"]).square_())

    window, lamp = (s["window_at"], zero), (s["lamp_p"], s["lamp_q"])
    walls = on(1, at.left, "left", "right") * s["window"]
    levels = on(1, at.below, "floor", "ceiling") * s["window"]
    return (
        _light(wall("window", *window), on(0, at.left, "left", "right"), walls, FADE_DAY),
        _light(level("window", *window), on(0, at.below, "floor", "ceiling"), levels, FADE_DAY),
        _light(wall("lamp", *lamp), zero, s["glow"], FADE_LAMP),
        _light(level("lamp", *lamp), zero, s["glow"], FADE_LAMP),
    )


def fade(period: float, depth: Tensor, pixels: float) -> Tensor:
    """How much of a pattern is drawn: none where its period has fewer than two pixels."""
    return (period * FOCAL * pixels / depth).mul_(0.25).sub_(0.5).clamp_(0, 1)


def wall_shade(at: Shell) -> Tensor:
    """Darker into the corner, under the ceiling and above the floor: [N,R,R] around 1."""
    along = at.p + at.q
    corner = -0.16 / (along.square().mul_(9).add_(1)) + 1
    middle = (CEILING - at.up).mul_(at.up).mul_(-4 / CEILING**2).add_(1).clamp_(0, 1)
    return middle.square_().mul_(-0.2).add_(1).mul_(corner)


def level_shade(at: Shell) -> Tensor:
    """Darker along the walls: [N,R,R] around 1."""
    near = torch.minimum(at.floor_p, at.floor_q).mul_(-1 / 0.7).add_(1).clamp_(0, 1)
    return near.square_().mul_(-0.3).add_(1)


def boards(at: Shell, pixels: float) -> Tensor:
    """Floorboards of four tones along the right wall, as a brightness around 0."""
    sharp = (pixels * FOCAL * 0.3) / at.row_depth
    tone = wave(at.floor_p * 2.8).mul_(sharp).clamp_(-1, 1).mul_(0.05)
    tone.add_(wave(at.floor_p * 1.4 + 0.25).mul_(sharp).clamp_(-1, 1).mul_(0.035))
    return tone.mul_(fade(0.36, at.row_depth, pixels))


def tiles(at: Shell, pixels: float) -> Tensor:
    """A chequered floor, as a brightness around 0."""
    sharp = (pixels * FOCAL * 0.25) / at.row_depth
    both = wave(at.floor_p * 1.25).mul_(wave(at.floor_q * 1.25))
    return both.mul_(sharp).clamp_(-1, 1).mul_(0.13)


def soft_box(u: Tensor, half: Tensor | float, soft: Tensor | float) -> Tensor:
    """1 where |u| < half, with an edge `soft` wide, in place."""
    return u.abs_().neg_().add_(half).div_(soft).add_(0.5).clamp_(0, 1)


def base_mask(at: Shell) -> Tensor:
    """Floor, ceiling, left and right wall: [N,R,R] uint8."""
    level = (at.below * (CODE["floor"] - CODE["ceiling"]) + CODE["ceiling"]).to(torch.uint8)
    walls = (at.left * (CODE["left wall"] - CODE["right wall"])).round() + CODE["right wall"]
    return torch.where(at.wall > 0.5, walls.to(torch.uint8), level)
