"""The shapes of the face: each function gives the coverage of one part on any set of points.

Points are `u, v` in the head's own plane, [N,R,R] for a picture or [N,1,10] for landmarks: the same
functions that paint decide whether a landmark is hidden.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganfeat.data.drawn.sampling import Keys, uniforms
from ganfeat.data.drawn.shapes import cover, wave
from ganfeat.data.synthfaces.pose import HEAD
from ganfeat.data.synthfaces.shapes import ellipse

Scalars = dict[str, Tensor]


@dataclass(frozen=True)
class Surface:
    """What many parts need at each point.

    `head`: distance to the outline; `depth` in [0, 1] of the head's dome; `s, t`: coordinates that
    stick to the face, equal to u, v in a frontal view; `right`: 1 on the right eye's side of the
    nose, else 0; `eye_u, eye_v`: position relative to that side's eye, foreshortening undone.
    """

    u: Tensor
    v: Tensor
    fall: Tensor
    head: Tensor
    normal_x: Tensor
    normal_y: Tensor
    depth: Tensor
    s: Tensor
    t: Tensor
    s2: Tensor
    hair_s: Tensor
    right: Tensor
    eye_u: Tensor
    eye_v: Tensor


def pick(s: Scalars, name: str, right: Tensor) -> Tensor:
    """The value of a two-sided scalar on each point's own side."""
    return (right * s[f"{name}_step"]).add_(s[name])


def place(s: Scalars, x: Tensor, y: Tensor, pixels: float) -> Surface:
    """The surface under picture coordinates x [1,1,R], y [1,R,1]: undo shift, scale and roll."""
    across, down = x - s["move_x"], y - s["move_y"]
    u = across * s["roll_cos"] + down * s["roll_sin"]
    v = down * s["roll_cos"] - across * s["roll_sin"]
    return surface(s, u, v, s["zoom"] * -pixels)


def surface(s: Scalars, u: Tensor, v: Tensor, fall: Tensor) -> Surface:
    """Head outline, dome and face coordinates at points u, v."""
    y = v * (1 / HEAD)
    lower = y.clamp(0, 1.2).square_()
    x = (u - lower * s["jaw_shift"]).div_((lower * s["taper"]).add_(1)).mul_(s["narrow"])
    x2, y2 = x * x, y * y
    q = x2 + y2
    slope = x2.mul_(s["narrow2"]).add_(y2.mul_(1 / HEAD**2)).sqrt_().mul_(2)
    head = (q - 1).div_(slope)
    depth = q.neg_().add_(1).clamp_(min=0).sqrt_()
    face_s, face_t = u - depth * s["turn"], v + depth * s["nod"]
    right = (u > s["middle"]).to(u.dtype)
    eye_u = (u - pick(s, "eye", right)).mul_(pick(s, "stretch", right))
    eye_v = (v - s["eye_y"]).mul_(s["stretch_eye_y"])
    return Surface(
        u, v, fall, head, x.clamp_(-1, 1), y.clamp(-1, 0.75), depth, face_s, face_t,
        face_s * face_s, u - depth * s["hair_turn"], right, eye_u, eye_v,
    )  # fmt: skip


def back_hair(s: Scalars, f: Surface) -> Tensor:
    """Hair behind the head: a disc that is drawn out downwards, with curls on its rim."""
    x = f.u - s["back_shift"]
    y = f.v - torch.minimum(torch.maximum(f.v, s["back_top"]), s["back_end"])
    distance = (x * x).add_(y * y).sqrt_().sub_(s["back_radius"])
    curls = wave(f.u * 4.3).mul_(wave(f.v * 4.3 + 0.13)).mul_(s["curls"])
    return cover(distance.sub_(curls), f.fall)


def knob(s: Scalars, f: Surface) -> Tensor:
    """The bun, or the pompom of the hat."""
    x, y = f.u - s["knob_x"], f.v - s["knob_y"]
    distance = (x * x).add_(y * y).sqrt_().sub_(s["knob_radius"])
    return cover(distance, f.fall).mul_(s["knob"])


def neck(f: Surface) -> Tensor:
    """A column below the head."""
    wide = (f.v - 0.78).clamp_(min=0)
    return cover(f.u.abs().sub_(wide.mul_(wide).mul_(1.2)).sub_(0.235), f.fall).mul_(
        cover(0.3 - f.v, f.fall)
    )


def shirt(f: Surface) -> Tensor:
    """Shoulders with a round collar."""
    x2 = f.u * f.u
    top = (x2 * 0.32).add_(0.86)
    collar = (x2 + (f.v - 0.80).square_()).sqrt_().neg_().add_(0.27)
    return cover(torch.maximum(top.sub_(f.v), collar), f.fall)


def ears(s: Scalars, f: Surface) -> Tensor:
    """Both ears; seen from the front they are half behind the head."""
    x = f.u - pick(s, "ear", f.right)
    y = f.v - s["ear_y"]
    return cover(ellipse(s, "ear", x.mul_(x), y.mul_(y)), f.fall)


def hairline(s: Scalars, f: Surface) -> Tensor:
    """Distance below the edge of the hair on the face, a polynomial in s; negative in the hair."""
    x2 = f.hair_s * f.hair_s
    line = (x2 * s["line_fourth"]).add_(s["line_square"]).mul_(x2)
    line.add_(f.hair_s * s["line_slope"]).add_(s["line_rise"])
    # The polynomial's slope at the sides would blur the edge there: divide by its length.
    slope = (x2 * s["line_fourth4"]).add_(s["line_square2"]).mul_(f.hair_s)
    slope.add_(s["line_slope"])
    return (f.t - line).div_(slope.mul_(slope).add_(1).sqrt_())


def front_hair(s: Scalars, f: Surface) -> Tensor:
    """Distance to the hair over the forehead and down the sides of the face."""
    return torch.maximum(f.head - s["thickness"], hairline(s, f))


def hat(s: Scalars, f: Surface) -> tuple[Tensor, Tensor]:
    """The woollen hat, and the folded band that is part of it."""
    edge = f.t - (f.s2 * 0.35).sub_(0.33)
    whole = cover(torch.maximum(f.head - s["hat_out"], edge), f.fall)
    fold = edge.add_(0.075).abs_().sub_(0.075)
    band = cover(torch.maximum((f.head - s["hat_out"]).sub_(0.018), fold), f.fall)
    return torch.maximum(whole, band).mul_(s["hat"]), band.mul_(s["hat"])


def glasses(s: Scalars, f: Surface) -> tuple[Tensor, Tensor]:
    """Frames (two rims and the bar that runs through their height), and the lenses."""
    rim = ellipse(s, "rim", f.eye_u * f.eye_u, (f.eye_v - 0.012).square_())
    lens = cover(rim, f.fall).mul_(s["glasses"])
    bar = torch.maximum((f.eye_v + 0.02).abs_().sub_(0.02), torch.maximum(-rim, f.head))
    frame = cover(torch.minimum(rim.abs_().sub_(0.021), bar), f.fall)
    return frame.mul_(s["glasses"]), lens


def nose(s: Scalars, f: Surface) -> tuple[Tensor, Tensor, Tensor]:
    """Distance to the nose, position along it (0 at the bridge, 1 at the tip), offset across it."""
    x, y = f.u - s["bridge_x"], f.v - s["bridge_y"]
    along = (x * s["along_x"]).add_(y * s["along_y"]).clamp_(0, 1)
    x.sub_(along * s["nose_x"])
    y.sub_(along * s["nose_y"])
    radius = (along * along).mul_(s["nose_grow"]).add_(0.03)
    distance = (x * x).add_(y * y).sqrt_().sub_(radius)
    return distance, along, x.div_(radius)


def freckle_table(persons: Keys) -> Tensor:
    """Where the freckles of persons [N] are: offsets and radii [N,3,32] in the cells of a grid."""
    draws = uniforms(persons ^ np.uint64(0x5EED), 96).T.reshape(-1, 3, 32)
    least, span = np.array([[0.3], [0.3], [0.16]]), np.array([[0.4], [0.4], [0.16]])
    return torch.from_numpy((least + span * draws).astype(np.float32))


def freckles(s: Scalars, table: Tensor, f: Surface) -> Tensor:
    """Dots, one in each cell of a grid of 8 x 4 over the cheeks."""
    column, row = (f.s + 0.36).mul_(8 / 0.72), (f.t - 0.02).mul_(4 / 0.36)
    cell_x, cell_y = column.floor(), row.floor()
    near_x, near_y = cell_x.clamp(0, 7), cell_y.clamp(0, 3)
    inside = ((cell_x == near_x) & (cell_y == near_y)).to(row.dtype)
    cell = (near_y * 8).add_(near_x).long().flatten(1)
    dx, dy, size = (table[:, k].gather(1, cell).view_as(column) for k in range(3))
    x, y = column.sub_(cell_x).sub_(dx), row.sub_(cell_y).sub_(dy)
    # A dot below one pixel is drawn a pixel wide and fainter, so that small pictures agree.
    radius = torch.maximum(size, (-0.8 * 8 / 0.72) / f.fall)
    strength = size.div_(radius).square_()
    dots = (x * x).add_(y * y).div_(radius.square_()).neg_().add_(1).mul_(2).clamp_(0, 1)
    return dots.mul_(strength).mul_(inside).mul_(s["freckles"])


@dataclass(frozen=True)
class Mouth:
    """Coverage of the whole mouth, of its opening, and of the teeth in it."""

    whole: Tensor
    opening: Tensor
    teeth: Tensor


def mouth(s: Scalars, f: Surface) -> Mouth:
    """Lips around an opening, both bent by the smile."""
    x = (f.u - s["mouth_x"]).mul_(s["stretch_mouth"])
    x2 = x.mul_(x)
    bend = (x2 * s["bend"]).sub_(0.04).mul_(s["smile"])
    y = (f.v - s["mouth_y"]).mul_(s["stretch_mouth_y"]).add_(bend)
    y2 = y * y
    whole = cover(ellipse(s, "lips", x2, y2), f.fall)
    # A flat ellipse has a poor distance beyond its tips: keep the opening between the lips.
    opening = cover(ellipse(s, "opening", x2, y2), f.fall).mul_(whole)
    teeth = cover(y.add_(s["teeth"]), f.fall).mul_(opening)
    return Mouth(whole, opening, teeth)


def brows(s: Scalars, f: Surface) -> Tensor:
    """Both brows: arched ellipses whose outer ends the tilt moves."""
    x = (f.u - pick(s, "brow", f.right)).mul_(pick(s, "stretch", f.right))
    x2, beyond = x * x, x.abs().sub_(0.15)
    x.mul_(f.right * 2 - 1).mul_(s["brow_tilt"])
    y = (f.v - s["brow_y"]).sub_(x).add_(x2 * 1.2)
    distance = ellipse(s, "brow", x2, y.mul_(y))
    return cover(torch.maximum(distance, beyond), f.fall)


def beard(s: Scalars, f: Surface) -> Tensor:
    """A full beard: everything below a line from ear to ear that passes under the nose."""
    line = (f.s2 * -6.0).add_(0.95).mul_(f.s2).add_(0.285)
    return cover(torch.maximum(f.head - 0.05, line - f.t), f.fall).mul_(s["beard"])


def wrinkles(s: Scalars, f: Surface) -> Tensor:
    """Two lines on the forehead, one from each nostril to the mouth, one under each eye."""
    rows = ((f.s2 * 0.3).add_(f.t).add_(0.385)).abs_().sub_(0.04).abs_().sub_(0.012)
    forehead = torch.maximum(rows, f.s.abs().sub_(0.24))
    across = f.s.abs()
    fold = (across - (f.t - 0.2).mul_(0.55)).sub_(0.15).abs_().sub_(0.013)
    fold = torch.maximum(fold, (f.t - 0.28).abs_().sub_(0.12))
    bag = ellipse(s, "bag", f.eye_u * f.eye_u, f.eye_v * f.eye_v)
    bag = torch.maximum(bag.abs_().sub_(0.012), 0.055 - f.eye_v)
    line = torch.minimum(torch.minimum(forehead, fold), bag)
    return cover(line, f.fall).mul_(s["wrinkles"])
