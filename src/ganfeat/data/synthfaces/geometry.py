"""From factors to numbers a picture is drawn with: pose, positions, sizes, colours, landmarks.

All of it is a few hundred operations on [N] in float64 on the CPU; rounding to float32 afterwards
hides the last bits in which two mathematics libraries may differ.

Axes: x right, y down, z towards the viewer, in half heads' sides; the head is an ellipsoid around the
origin and parts are anchored to its surface, so turning it moves near parts more than far ones.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

# Half height and half depth of the head; where parts sit on it; how far the nose sticks out.
HEAD, DEPTH = 0.65, 0.45
EYE_Y, BROW_Y, MOUTH_Y, CHIN_Y = -0.03, -0.235, 0.385, 0.62
NOSE_OUT = 0.13
# The head at scale 1, and how far below the middle it sits to leave room for hair and hat.
SIZE, DROP = 1.16, 0.06

# Per hair style (short, bob, long, curly, bun): what falls behind the head ...
_BACK_TOP = (-0.13, -0.12, -0.12, -0.14, -0.16)
_BACK_END = (-0.02, 0.42, 1.30, 0.06, -0.06)
_BACK_MORE = (0.02, 0.14, 0.14, 0.25, 0.0)
_CURLS = (0.0, 0.0, 0.0, 0.035, 0.0)
# ... and the hairline on the forehead, y = rise + slope x + square x^2 + fourth x^4.
_LINE_RISE = (0.05, 0.21, -0.04, 0.02, 0.03)
_LINE_SLOPE = (0.20, 0.0, 0.0, 0.0, 0.0)
_LINE_SQUARE = (0.5, 0.3, 3.6, 0.9, 0.9)
_LINE_FOURTH = (4.0, 16.0, 8.0, 3.0, 1.5)
_THICKNESS = (0.05, 0.13, 0.13, 0.17, 0.03)

_SKIN = ((1.0, 0.86, 0.76), (0.95, 0.74, 0.58), (0.76, 0.52, 0.36), (0.47, 0.29, 0.19))
_HAIR = (
    (0.09, 0.08, 0.10), (0.30, 0.18, 0.11), (0.60, 0.27, 0.11), (0.93, 0.73, 0.38), (0.88, 0.88, 0.9),
)  # fmt: skip
_IRIS = ((0.28, 0.14, 0.06), (0.58, 0.38, 0.10), (0.22, 0.56, 0.28), (0.15, 0.50, 0.95))


@dataclass(frozen=True)
class Geometry:
    """What a batch of N faces is drawn from.

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


class _Pose:
    """Yaw about y, then pitch about x, then an orthographic view."""

    def __init__(self, f: dict[str, Array]) -> None:
        yaw, pitch = np.deg2rad(f["yaw"]), np.deg2rad(f["pitch"])
        self.cos_yaw, self.sin_yaw = np.cos(yaw), np.sin(yaw)
        self.cos_pitch, self.sin_pitch = np.cos(pitch), np.sin(pitch)
        self.half = f["face_width"]

    def dome(self, x: Array, y: Array | float) -> Array:
        """Depth of the front of the head at (x, y), as a share of its largest depth."""
        y = torch.as_tensor(y)
        return torch.sqrt((1 - (x / self.half) ** 2 - (y / HEAD) ** 2).clamp(min=0.05))

    def see(self, x: Array, y: Array | float, z: Array) -> tuple[Array, Array]:
        """Where a point of the head is seen."""
        deep = z * self.cos_yaw - x * self.sin_yaw
        return x * self.cos_yaw + z * self.sin_yaw, y * self.cos_pitch - deep * self.sin_pitch

    def on_face(self, x: Array, y: Array | float, out: float = 0.0) -> tuple[Array, Array]:
        """Where a point on the face's surface, lifted by `out`, is seen."""
        return self.see(x, y, DEPTH * self.dome(x, y) + out)

    def shrink(self, x: Array, y: float) -> tuple[Array, Array]:
        """How much a patch of the surface is foreshortened, across and along."""
        dome = self.dome(x, y)
        across = self.cos_yaw - self.sin_yaw * DEPTH * x / (self.half**2 * dome)
        along = self.cos_pitch + self.sin_pitch * DEPTH * y / (HEAD**2 * dome)
        return across.clamp(0.4, 1.1), along.clamp(0.6, 1.1)


def _ramp(stops: tuple[tuple[float, ...], ...], at: Array) -> Array:
    """Colour [N,3] at position `at` [N] in [0, 1] of a ramp of colours."""
    table = np.array(stops)
    place = at * (len(stops) - 1)
    first = place.floor().clamp(0, len(stops) - 2)
    return torch.lerp(table[first.astype(np.int64)], table[first.astype(np.int64) + 1], (place - first)[:, None])


def _hue(angle: Array, saturation: float, value: float) -> Array:
    """HSV colour [N,3] of a hue in radians."""
    offsets = np.array([0.0, 2.0, 4.0])
    sector = (angle * (3 / math.pi))[:, None] - offsets
    wheel = (np.remainder(sector + 3, 6) - 3).abs()
    return value * (1 - saturation * (wheel - 1).clamp(0, 1))


def _colours(f: dict[str, Array]) -> dict[str, Array]:
    skin = _ramp(_SKIN, f["skin_tone"])
    hair = _ramp(_HAIR, f["hair_colour"])

    def fixed(*rgb: float) -> Array:
        return np.array(rgb).expand_as(skin)

    return {
        "skin": skin,
        "shadow": skin * fixed(0.66, 0.55, 0.52),
        "ear": skin * fixed(0.96, 0.84, 0.80),
        "neck": skin * fixed(0.92, 0.85, 0.82),
        "blush": skin * fixed(1.0, 0.74, 0.70),
        "freckle": skin * fixed(0.62, 0.42, 0.31),
        "lips": skin * fixed(0.64, 0.31, 0.33) + fixed(0.19, 0.02, 0.05),
        "hair": hair,
        "beard": hair * 0.68 + skin * 0.05,
        "nose": skin * fixed(0.98, 0.83, 0.78),
        "iris": _ramp(_IRIS, f["eye_colour"]),
        "first": _hue(f["background_hue"], 0.42, 0.92),
        "second": _hue(f["background_hue"], 0.62, 0.58),
        "nostril": skin * fixed(0.40, 0.30, 0.28),
        "eyeball": fixed(0.99, 0.99, 0.98),
        "dark": fixed(0.09, 0.06, 0.07),
        "throat": fixed(0.38, 0.06, 0.09),
        "frame": fixed(0.10, 0.11, 0.16),
        "hat": fixed(0.16, 0.24, 0.52),
        "band": fixed(0.52, 0.66, 0.90),
        "shirt": fixed(0.36, 0.42, 0.52),
    }


def _style(f: dict[str, Array], values: tuple[float, ...]) -> Array:
    return np.array(values)[f["hair_style"].astype(np.int64)]


def _hair(f: dict[str, Array], pose: _Pose) -> dict[str, Array]:
    hat = f["hat"]
    bun = (f["hair_style"] == 4).astype(np.float64) * (1 - hat)
    back = f["face_width"] + _style(f, _BACK_MORE)
    # A hat presses the hair down: its top must not show above the wool.
    back = np.where(hat > 0, np.minimum(back, f["face_width"] + 0.13), back)
    thick = np.minimum(_style(f, _THICKNESS), 0.17 - 0.05 * hat)
    knob_x, knob_y = pose.see(np.zeros_like(hat), -0.80, np.full_like(hat, -0.08))
    return {
        "back_radius": back,
        "back_top": _style(f, _BACK_TOP) + 0.14 * hat,
        "back_end": np.maximum(_style(f, _BACK_END), _style(f, _BACK_TOP) + 0.14 * hat),
        "back_shift": -0.16 * pose.sin_yaw,
        "curls": _style(f, _CURLS),
        "line_rise": _style(f, _LINE_RISE) - f["forehead_height"],
        "line_slope": _style(f, _LINE_SLOPE),
        "line_square": _style(f, _LINE_SQUARE),
        "line_fourth": _style(f, _LINE_FOURTH),
        "thickness": thick,
        "hat_out": (thick + 0.015).clamp(min=0.10),
        "knob_x": knob_x,
        "knob_y": knob_y - 0.02 * hat,
        "knob_radius": 0.19 * bun + 0.125 * hat + 1e-3,
        "knob": np.maximum(bun, hat),
    }


def _features(f: dict[str, Array], pose: _Pose) -> dict[str, Array]:
    s: dict[str, Array] = {}
    zero = np.zeros_like(pose.half)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        eye, brow = sign * f["eye_spacing"], sign * f["eye_spacing"] * 1.03
        brow_y = BROW_Y - 0.05 * f["brow_raise"]
        s[f"eye_{side}"], s[f"eye_y_{side}"] = pose.on_face(eye, EYE_Y)
        s[f"brow_{side}"], s[f"brow_y_{side}"] = pose.on_face(brow, brow_y, 0.02)
        s[f"shrink_{side}"], s["shrink_eye_y"] = pose.shrink(eye, EYE_Y)
        s[f"ear_{side}"], s["ear_y"] = pose.see(sign * (pose.half + 0.025), 0.05, zero - 0.06)
        s[f"near_{side}"] = (-sign * pose.sin_yaw * 8).clamp(0, 1)
    s["bridge_x"], s["bridge_y"] = pose.on_face(zero, -0.06, 0.02)
    tip = f["nose_length"]
    s["tip_x"], s["tip_y"] = pose.see(zero, tip, DEPTH * pose.dome(zero, 0.15) + NOSE_OUT)
    s["mouth_x"], s["mouth_y"] = pose.on_face(zero, MOUTH_Y, 0.03)
    s["shrink_mouth"], s["shrink_mouth_y"] = pose.shrink(zero, MOUTH_Y)
    s["eye_rx"] = f["eye_size"]
    s["eye_ry"] = f["eye_size"] * 0.72 * f["eye_opening"]
    s["iris_r"] = f["eye_size"] * 0.62
    s["gaze"] = f["gaze"] * 0.34 * f["eye_size"]
    s["brow_ry"], s["brow_tilt"] = f["brow_thickness"], f["brow_tilt"]
    s["ear_ry"], s["ear_rx"] = f["ear_size"], f["ear_size"] * 0.6
    s["nose_r"] = f["nose_width"]
    s["mouth_rx"] = f["mouth_width"] * (1 + 0.12 * f["smile"])
    s["lip"] = f["lip_fullness"]
    s["gap"] = 0.006 + 0.075 * f["mouth_opening"]
    s["smile"] = f["smile"]
    return s


def _scene(f: dict[str, Array], pose: _Pose) -> dict[str, Array]:
    azimuth, up = np.deg2rad(f["light_azimuth"]), math.radians(28)
    kind = f["background_pattern"]
    return {
        "light_x": np.sin(azimuth) * math.cos(up),
        "light_y": np.full_like(azimuth, -math.sin(up)),
        "light_z": np.cos(azimuth) * math.cos(up),
        "light": 0.08 + 0.57 * f["light_strength"],
        "gradient": (kind == 1).astype(np.float64),
        "stripes": (kind == 2).astype(np.float64),
        "blobs": (kind == 3).astype(np.float64),
        "plain": (kind == 0).astype(np.float64),
        "grain": 0.05 * f["camera_grain"],
    }


def _points(f: dict[str, Array], s: dict[str, Array], chin_x: Array) -> Array:
    """Landmarks [N,10,2] in the head's plane, in the order of `LANDMARKS`."""
    inner = 0.9 * s["eye_rx"]
    corner = 0.9 * s["mouth_rx"] * s["shrink_mouth"]
    lift = s["mouth_y"] + s["shrink_mouth_y"] * f["smile"] * (0.04 - 0.09 * 0.81)
    pairs = [
        (s["eye_left"], s["eye_y_left"]),
        (s["eye_right"], s["eye_y_right"]),
        (s["eye_left"] + inner * s["shrink_left"], s["eye_y_left"]),
        (s["eye_right"] - inner * s["shrink_right"], s["eye_y_right"]),
        (s["tip_x"], s["tip_y"]),
        (s["mouth_x"] - corner, lift),
        (s["mouth_x"] + corner, lift),
        (chin_x, np.full_like(chin_x, CHIN_Y)),
        (s["brow_left"], s["brow_y_left"]),
        (s["brow_right"], s["brow_y_right"]),
    ]
    return torch.stack([torch.stack(pair, -1) for pair in pairs], 1)


def geometry(f: dict[str, Array], device: torch.device) -> Geometry:
    """Factors, each [N] float64 on the CPU, as numbers to draw with, on `device`."""
    pose = _Pose(f)
    roll, zoom = np.deg2rad(f["roll"]), f["scale"] * SIZE
    s = {name: f[name] for name in ("glasses", "beard", "hat", "wrinkles", "freckles")}
    s |= {
        "roll_cos": np.cos(roll) / zoom,
        "roll_sin": np.sin(roll) / zoom,
        "move_x": 2 * f["shift_x"],
        "move_y": 2 * f["shift_y"] + DROP,
        "zoom": zoom,
        "half": f["face_width"],
        "taper": -0.04 + 0.23 * f["jaw_shape"],
        "jaw_shift": 0.11 * pose.sin_yaw,
        "turn": DEPTH * pose.sin_yaw,
        "nod": DEPTH * pose.sin_pitch,
    }
    s |= _hair(f, pose) | _features(f, pose) | _scene(f, pose)
    points = _points(f, s, s["jaw_shift"] * (CHIN_Y / HEAD) ** 2)
    colours = _colours(f)
    table = torch.stack(list(s.values()), 0).float().to(device)[:, :, None, None]
    paints = torch.stack(list(colours.values()), 0).float().to(device)[..., None, None]
    return Geometry(
        dict(zip(s, table, strict=True)),
        dict(zip(colours, paints, strict=True)),
        points.float().to(device),
    )
