"""Set a room up from its factors: light, walls, window and door, and the family's own things."""

import numpy as np
import torch

from ganfeat.data.drawn.factors import Array
from ganfeat.data.synthrooms import bedroom, kitchen
from ganfeat.data.synthrooms.camera import Camera
from ganfeat.data.synthrooms.factors import FAMILIES
from ganfeat.data.synthrooms.palette import same, surfaces
from ganfeat.data.synthrooms.shell import view
from ganfeat.data.synthrooms.stage import Room, Stage

SETS = {"bedroom": bedroom, "kitchen": kitchen}  # what a family has of its own
# Light of the sky, of the sun or moon through the window, and of lamps, by day and by night.
_LIGHT = {
    "ambient": ((0.42, 0.44, 0.48), (0.23, 0.24, 0.31)),
    "daylight": ((0.62, 0.60, 0.54), (0.17, 0.20, 0.31)),
    "lamplight": ((0.50, 0.36, 0.16), (1.15, 0.84, 0.46)),
}
_END = 4.0  # metres; where walls have left every picture


def scene(values: Array, family: str, device: torch.device) -> Room:
    """Physical factors [F,N] of a family as what its rooms are drawn from, on `device`."""
    f = dict(zip(FAMILIES[family].names, values, strict=True))
    camera = Camera(f["corner_x"], f["camera_yaw"], f["camera_height"])
    stage = Stage(camera, f["window"], f["window_place"], *SETS[family].lamp(f))
    stage.number |= view(camera) | {
        "sun": 0.75 * f["window"],
        "door": f["door"],
        "grain": 0.05 * f["camera_grain"],
    }
    colours = surfaces(f, family)
    _light(stage, f)
    for name in ("wall", "ceiling", "floor", "trim", "wood"):
        stage.paint(name, colours[name])
    stage.upright("skirting.left", (_END, 0.0), (0.0, 0.0), 0.0, 0.09)
    stage.upright("skirting.right", (0.0, 0.0), (0.0, _END), 0.0, 0.09)
    _window(stage, f["window_place"], colours["trim"])
    _door(stage, f["door_place"], colours)
    SETS[family].set_up(stage, f, colours)
    return stage.room(device)


def _light(stage: Stage, f: dict[str, Array]) -> None:
    strength = (0.72 + 0.46 * f["light_strength"])[:, None]
    for name, (day, night) in _LIGHT.items():
        colour = np.where(f["night"][:, None] > 0, np.array(night), np.array(day))
        stage.paint(name, colour * strength)


def _window(stage: Stage, at: Array, trim: Array) -> None:
    def part(name: str, half: float, low: float, high: float) -> None:
        stage.upright(f"window.{name}", (at + half, 0.0), (at - half, 0.0), low, high)

    part("frame", 0.56, 0.92, 2.12)
    part("sky", 0.47, 1.00, 2.03)
    part("hill", 0.47, 1.00, 1.28)
    part("post", 0.03, 1.00, 2.03)
    part("bar", 0.47, 1.58, 1.63)
    part("sill", 0.62, 0.88, 0.94)
    stage.ink("bars", trim, "left", at, 0.0, 1.5)
    stage.paint("sky", same((0.74, 0.88, 1.0), at), day=1.15)
    stage.paint("hill", same((0.48, 0.66, 0.40), at), day=0.9)


def _door(stage: Stage, at: Array, colours: dict[str, Array]) -> None:
    def part(name: str, left: float, right: float, low: float, high: float) -> None:
        stage.upright(f"door.{name}", (0.0, at + left), (0.0, at + right), low, high)

    part("frame", -0.49, 0.49, 0.0, 2.12)
    part("leaf", -0.41, 0.41, 0.0, 2.04)
    part("upper", -0.28, 0.28, 1.12, 1.90)
    part("lower", -0.28, 0.28, 0.16, 0.94)
    part("knob", -0.37, -0.31, 0.99, 1.06)
    stage.paint("panel", 0.78 * colours["wood"])
    stage.paint("knob", same((0.92, 0.80, 0.45), at))
