"""From factors to the numbers that a picture is drawn with: positions, sizes, coefficients.

A few hundred operations on [N] in float64 on the CPU; rounding to float32 afterwards hides the last
bits in which two mathematics libraries may differ.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganfeat.data.drawn.factors import Array
from ganfeat.data.synthfaces.factors import NAMES
from ganfeat.data.synthfaces.palette import COLOURS, palette
from ganfeat.data.synthfaces.pose import DEPTH, HEAD, Pose

# The head at scale 1, and how far below the middle it sits to leave room for hair and hat.
SIZE, DROP = 1.16, 0.06
EYE_Y, BROW_Y, MOUTH_Y, CHIN_Y = -0.03, -0.235, 0.385, 0.62
NOSE_OUT = 0.13

# One column per hair style: short, bob, long, curly, bun. What falls behind the head: top and end
# of its middle line, how much wider than the head it is, how high its curls are.
_BACK = np.array(
    [
        (-0.13, -0.12, -0.12, -0.14, -0.16),
        (-0.02, 0.42, 1.30, 0.06, -0.06),
        (0.02, 0.14, 0.14, 0.25, 0.0),
        (0.0, 0.0, 0.0, 0.035, 0.0),
    ]
)
# In front: the hairline y = rise + slope x + square x^2 + fourth x^4, and how thick the hair is.
_FRONT = np.array(
    [
        (0.05, 0.21, -0.04, 0.02, 0.03),
        (0.20, 0.0, 0.0, 0.0, 0.0),
        (0.5, 0.3, 3.6, 0.9, 0.9),
        (4.0, 16.0, 8.0, 3.0, 1.5),
        (0.05, 0.13, 0.13, 0.17, 0.03),
    ]
)
_BUN = 4


@dataclass(frozen=True)
class Geometry:
    """What N faces are drawn from.

    `scalar`: name -> [N,1,1] float32; `colour`: name -> [N,3,1,1] in [0, 1]; `points` [N,10,2], the
    landmarks in the head's own plane (before roll, scale and shift).
    """

    scalar: dict[str, Tensor]
    colour: dict[str, Tensor]
    points: Tensor

    def rows(self, rows: slice) -> "Geometry":
        """Some of the faces."""
        return Geometry(
            {name: value[rows] for name, value in self.scalar.items()},
            {name: value[rows] for name, value in self.colour.items()},
            self.points[rows],
        )


def _ellipse(s: dict[str, Array], name: str, rx: Array, ry: Array) -> None:
    """The coefficients that `shapes.ellipse` needs for radii rx, ry."""
    a, b = 1 / (rx * rx), 1 / (ry * ry)
    s |= {f"{name}_a": a, f"{name}_b": b, f"{name}_c": 4 * a * a, f"{name}_d": 4 * b * b}


def _sides(s: dict[str, Array], name: str, left: Array, right: Array) -> None:
    """A quantity that differs between left and right, as `parts.pick` reads it."""
    s[name], s[f"{name}_step"] = left, right - left


def _pair(
    s: dict[str, Array], name: str, left: tuple[Array, Array], right: tuple[Array, Array]
) -> None:
    """Two parts beside each other, at one height: only roll tilts a face in the picture's plane."""
    _sides(s, name, left[0], right[0])
    s[f"{name}_y"] = (left[1] + right[1]) / 2


def _head(f: dict[str, Array], pose: Pose) -> dict[str, Array]:
    roll, zoom = np.deg2rad(f["roll"]), f["scale"] * SIZE
    return {
        "roll_cos": np.cos(roll) / zoom,
        "roll_sin": np.sin(roll) / zoom,
        "move_x": 2 * f["shift_x"],
        "move_y": 2 * f["shift_y"] + DROP,
        "zoom": zoom,
        "narrow": 1 / f["face_width"],
        "narrow2": 1 / f["face_width"] ** 2,
        "taper": 0.04 - 0.23 * f["jaw_shape"],
        "jaw_shift": 0.11 * pose.sin_yaw,
        "turn": DEPTH * pose.sin_yaw,
        # Hair is thick: it lies further out than the face and moves less with it.
        "hair_turn": 0.6 * DEPTH * pose.sin_yaw,
        "nod": DEPTH * pose.sin_pitch,
    }


def _hair(f: dict[str, Array], pose: Pose) -> dict[str, Array]:
    hat, style = f["hat"], f["hair_style"].astype(np.int64)
    top, end, more, curls = _BACK[:, style]
    rise, slope, square, fourth, thick = _FRONT[:, style]
    bun = (style == _BUN) * (1 - hat)
    # A hat presses the hair down: its top must not show above the wool.
    top, thick = top + 0.14 * hat, np.minimum(thick, 0.17 - 0.05 * hat)
    more = np.where(hat > 0, np.minimum(more, 0.13), more)
    knob_x, knob_y = pose.see(np.zeros_like(hat), -0.80, np.full_like(hat, -0.08))
    return {
        "back_radius": f["face_width"] + more,
        "back_top": top,
        "back_end": np.maximum(end, top),
        "back_shift": -0.16 * pose.sin_yaw,
        "curls": curls,
        "line_rise": rise - f["forehead_height"],
        "line_slope": slope,
        "line_square": square,
        "line_square2": 2 * square,
        "line_fourth": fourth,
        "line_fourth4": 4 * fourth,
        "thickness": thick,
        "hat_out": np.maximum(thick + 0.015, 0.10),
        "knob_x": knob_x,
        "knob_y": knob_y - 0.02 * hat,
        "knob_radius": 0.19 * bun + 0.125 * hat + 1e-3,
        "knob": np.maximum(bun, hat),
    }


def _eyes(f: dict[str, Array], pose: Pose) -> dict[str, Array]:
    s: dict[str, Array] = {}
    spacing, rx = f["eye_spacing"], f["eye_size"]
    ry = rx * 0.72 * f["eye_opening"]
    left, right = pose.on_face(-spacing, EYE_Y), pose.on_face(spacing, EYE_Y)
    _pair(s, "eye", left, right)
    s["middle"] = (left[0] + right[0]) / 2
    stretch_left, _ = pose.stretch(-spacing, EYE_Y)
    stretch_right, s["stretch_eye_y"] = pose.stretch(spacing, EYE_Y)
    _sides(s, "stretch", stretch_left, stretch_right)
    brow_y = BROW_Y - 0.05 * f["brow_raise"]
    wide = spacing * 1.03
    _pair(s, "brow", pose.on_face(-wide, brow_y, 0.02), pose.on_face(wide, brow_y, 0.02))
    s["brow_tilt"] = f["brow_tilt"]
    _ellipse(s, "lid", rx * 1.1, ry + 0.024)
    _ellipse(s, "white", rx, ry)
    _ellipse(s, "bag", rx * 1.15, rx * 0.72 + 0.055)
    _ellipse(s, "rim", np.full_like(rx, 0.178), np.full_like(rx, 0.152))
    _ellipse(s, "brow", np.full_like(rx, 0.15), f["brow_thickness"])
    s["gaze"], iris = f["gaze"] * 0.34 * rx, rx * 0.62
    s |= {"iris": iris, "pupil": 0.5 * iris, "shine": 0.36 * iris}
    s |= {"shine_x": 0.32 * iris, "shine_y": 0.34 * iris}
    return s


def _nose_mouth_ears(f: dict[str, Array], pose: Pose) -> dict[str, Array]:
    s: dict[str, Array] = {}
    zero, out = np.zeros_like(pose.half), pose.half + 0.025
    _pair(s, "ear", pose.see(-out, 0.05, zero - 0.06), pose.see(out, 0.05, zero - 0.06))
    # The ear on the near side lies over the edge of the head; it comes forward within 7 degrees.
    _sides(s, "near", (pose.sin_yaw * 8).clip(0, 1), (pose.sin_yaw * -8).clip(0, 1))
    _ellipse(s, "ear", f["ear_size"] * 0.6, f["ear_size"])
    ax, ay = pose.on_face(zero, -0.06, 0.02)
    tip_out = DEPTH * pose.dome(zero, 0.15) + NOSE_OUT
    s["tip_x"], s["tip_y"] = pose.see(zero, f["nose_length"], tip_out)
    bx, by, r = s["tip_x"] - ax, s["tip_y"] - ay, f["nose_width"]
    length = bx * bx + by * by
    s |= {"bridge_x": ax, "bridge_y": ay, "nose_x": bx, "nose_y": by, "nose_grow": r - 0.03}
    s |= {"along_x": bx / length, "along_y": by / length}
    s |= {"below_y": 0.55 * r, "nostril_x": 0.48 * r, "nostril_y": 0.62 * r}
    _ellipse(s, "below", r * 1.12, r * 0.72)
    _ellipse(s, "nostril", r * 0.3, r * 0.24)
    s["mouth_x"], s["mouth_y"] = pose.on_face(zero, MOUTH_Y, 0.03)
    s["stretch_mouth"], s["stretch_mouth_y"] = pose.stretch(zero, MOUTH_Y)
    rx, gap = f["mouth_width"] * (1 + 0.12 * f["smile"]), 0.006 + 0.075 * f["mouth_opening"]
    s |= {"mouth_rx": rx, "smile": f["smile"], "bend": 0.09 / (rx * rx), "teeth": 0.25 * gap}
    _ellipse(s, "lips", rx, gap + f["lip_fullness"])
    _ellipse(s, "opening", rx * 0.84, gap)
    return s


def _scene(f: dict[str, Array]) -> dict[str, Array]:
    azimuth, up, kind = np.deg2rad(f["light_azimuth"]), math.radians(28), f["background_pattern"]
    light = 0.08 + 0.57 * f["light_strength"]
    side = np.sin(azimuth) * math.cos(up)
    return {
        "light_x": side,
        "light_y": np.full_like(azimuth, -math.sin(up)),
        "light_z": np.cos(azimuth) * math.cos(up),
        "light": light,
        "nose_light": 0.6 * side * light,
        "gloss": 0.13 * light,
        "gradient": kind == 1,
        "stripes": kind == 2,
        "blobs": kind == 3,
        "grain": 0.05 * f["camera_grain"],
    }


def _points(f: dict[str, Array], s: dict[str, Array]) -> Array:
    """Landmarks [10,2,N] in the head's plane, in the order of `LANDMARKS`."""
    right, brow_right = s["eye"] + s["eye_step"], s["brow"] + s["brow_step"]
    inner, corner = 0.9 * f["eye_size"], 0.9 * s["mouth_rx"] / s["stretch_mouth"]
    lift = s["mouth_y"] + f["smile"] * (0.04 - 0.09 * 0.81) / s["stretch_mouth_y"]
    pairs = [
        (s["eye"], s["eye_y"]),
        (right, s["eye_y"]),
        (s["eye"] + inner / s["stretch"], s["eye_y"]),
        (right - inner / (s["stretch"] + s["stretch_step"]), s["eye_y"]),
        (s["tip_x"], s["tip_y"]),
        (s["mouth_x"] - corner, lift),
        (s["mouth_x"] + corner, lift),
        (s["jaw_shift"] * (CHIN_Y / HEAD) ** 2, np.full_like(corner, CHIN_Y)),
        (s["brow"], s["brow_y"]),
        (brow_right, s["brow_y"]),
    ]
    return np.array(pairs)


def geometry(values: Array, device: torch.device) -> Geometry:
    """Physical factors [F,N] as numbers to draw with, on `device`."""
    f = dict(zip(NAMES, values, strict=True))
    pose = Pose(f["yaw"], f["pitch"], f["face_width"])
    s = {name: f[name] for name in ("glasses", "beard", "hat", "wrinkles")}
    s["freckles"] = 0.9 * f["freckles"]
    s |= _head(f, pose) | _hair(f, pose) | _eyes(f, pose) | _nose_mouth_ears(f, pose) | _scene(f)
    colours = palette(f["skin_tone"], f["hair_colour"], f["eye_colour"], f["background_hue"])
    table = torch.from_numpy(np.array(list(s.values()), np.float32)).to(device)
    inks = torch.from_numpy(colours.astype(np.float32)).to(device)
    points = torch.from_numpy(_points(f, s).astype(np.float32)).to(device)
    return Geometry(
        dict(zip(s, table[..., None, None].unbind(), strict=True)),
        dict(zip(COLOURS, inks[..., None, None].unbind(), strict=True)),
        points.permute(2, 0, 1).contiguous(),
    )
