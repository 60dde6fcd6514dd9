"""The factors of SynthFaces: what varies, in which unit, over which range, and at which level.

Inside the renderer a factor has its *physical* value (degrees, shares of the side, number of the
category). What a metric sees is the *normalised* table [N,F]: continuous factors in [-1, 1], binary
ones 0 or 1, categorical ones their index, circular ones their angle in radians.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.errors import UserError

Array = NDArray[np.float64]
Kind = Literal["continuous", "binary", "categorical", "circular"]
Level = Literal["layout", "identity", "expression", "attribute", "scene"]


@dataclass(frozen=True)
class Factor:
    """One column of the factor table.

    `low` and `high` bound the physical value: both are reached by continuous factors, `high` is the
    number of classes of a categorical one and the period of a circular one. `neutral` is what
    `render` takes when the factor is not given.
    """

    name: str
    level: Level
    kind: Kind
    low: float
    high: float
    neutral: float
    unit: str
    about: str

    @property
    def classes(self) -> int:
        """Number of values of a binary or categorical factor; 0 for the others."""
        return {"binary": 2, "categorical": int(self.high)}.get(self.kind, 0)


def _continuous(
    name: str,
    level: Level,
    low: float,
    high: float,
    unit: str,
    about: str,
    neutral: float = math.nan,
) -> Factor:
    middle = (low + high) / 2 if math.isnan(neutral) else neutral
    return Factor(name, level, "continuous", low, high, middle, unit, about)


HAIR_STYLES = ("short", "bob", "long", "curly", "bun")
BACKGROUND_PATTERNS = ("plain", "gradient", "stripes", "blobs")

# Lengths are in half sides: the picture spans [-1, 1] in both directions, y pointing down.
FACTORS: tuple[Factor, ...] = (
    _continuous("yaw", "layout", -35, 35, "degrees", "turns to the image's right"),
    _continuous("pitch", "layout", -20, 20, "degrees", "looks up"),
    _continuous("roll", "layout", -20, 20, "degrees", "leans clockwise"),
    _continuous("scale", "layout", 0.8, 1.1, "times", "size of the head"),
    _continuous("shift_x", "layout", -0.12, 0.12, "sides", "moves right"),
    _continuous("shift_y", "layout", -0.12, 0.12, "sides", "moves down"),
    _continuous("face_width", "identity", 0.47, 0.58, "half sides", "half width of the head"),
    _continuous("jaw_shape", "identity", -1, 1, "", "square to pointed"),
    _continuous("forehead_height", "identity", 0.40, 0.53, "half sides", "hairline above centre"),
    _continuous("eye_spacing", "identity", 0.20, 0.27, "half sides", "eye centre from the middle"),
    _continuous("eye_size", "identity", 0.105, 0.15, "half sides", "half width of an eye"),
    _continuous("nose_length", "identity", 0.11, 0.205, "half sides", "tip below centre"),
    _continuous("nose_width", "identity", 0.075, 0.125, "half sides", "radius of the tip"),
    _continuous("mouth_width", "identity", 0.15, 0.25, "half sides", "half width of the mouth"),
    _continuous("lip_fullness", "identity", 0.026, 0.075, "half sides", "height of a lip"),
    _continuous("brow_thickness", "identity", 0.022, 0.05, "half sides", "half height of a brow"),
    _continuous("brow_tilt", "identity", -0.26, 0.26, "slope", "outer ends go down"),
    _continuous("ear_size", "identity", 0.11, 0.21, "half sides", "half height of an ear"),
    _continuous("skin_tone", "identity", 0, 1, "", "light to dark", 0.3),
    _continuous("eye_colour", "identity", 0, 1, "", "brown, amber, green, blue", 0.9),
    Factor("hair_style", "identity", "categorical", 0, 5, 0, "", ", ".join(HAIR_STYLES)),
    _continuous("hair_colour", "identity", 0, 1, "", "black, brown, auburn, blond, white", 0.35),
    _continuous("freckles", "identity", 0, 1, "", "how strong; where is up to the person", 0),
    _continuous("smile", "expression", -0.7, 1, "", "frown to smile", 0.5),
    _continuous("mouth_opening", "expression", 0, 1, "", "closed to open", 0.25),
    _continuous("eye_opening", "expression", 0.35, 1, "", "nearly shut to wide open", 0.85),
    _continuous("brow_raise", "expression", -1, 1, "", "low to high"),
    _continuous("gaze", "expression", -1, 1, "", "looks to the image's right"),
    Factor("glasses", "attribute", "binary", 0, 1, 0, "", "dark frames"),
    Factor("beard", "attribute", "binary", 0, 1, 0, "", "full beard"),
    Factor("hat", "attribute", "binary", 0, 1, 0, "", "woollen hat"),
    Factor("wrinkles", "attribute", "binary", 0, 1, 0, "", "forehead, cheeks, under the eyes"),
    _continuous("light_azimuth", "scene", -75, 75, "degrees", "light from the left to the right"),
    _continuous("light_strength", "scene", 0, 1, "", "flat to strongly modelled"),
    Factor("background_hue", "scene", "circular", 0, 2 * math.pi, 3.6, "radians", "hue"),
    Factor(
        "background_pattern", "scene", "categorical", 0, 4, 0, "", ", ".join(BACKGROUND_PATTERNS)
    ),
    _continuous("camera_grain", "scene", 0, 1, "", "strength of the pixel noise", 0),
)
NAMES: tuple[str, ...] = tuple(factor.name for factor in FACTORS)
COLUMN: dict[str, int] = {name: column for column, name in enumerate(NAMES)}


def factor(name: str) -> Factor:
    """The row of the table called `name`; raises UserError for an unknown one."""
    if name not in COLUMN:
        raise UserError(
            f"SynthFaces has no factor {name!r}; expected one of {', '.join(NAMES)}; "
            "correct the name"
        )
    return FACTORS[COLUMN[name]]


_OFFSET = np.array([[s.low if s.kind == "continuous" else 0.0] for s in FACTORS])
_GAIN = np.array([[2 / (s.high - s.low) if s.kind == "continuous" else 1.0] for s in FACTORS])
_BASE = np.array([[1.0 if s.kind == "continuous" else 0.0] for s in FACTORS])


def normalise(physical: Array) -> Tensor:
    """Physical values [F,N] -> the table [N,F] float32 that metrics see."""
    return torch.from_numpy(((physical - _OFFSET) * _GAIN - _BASE).T).float()


def denormalise(table: Tensor) -> dict[str, Tensor]:
    """The table [N,F] -> physical values, name -> [N] float64, as `render` takes them."""
    physical = (table.double().cpu().numpy().T + _BASE) / _GAIN + _OFFSET
    return dict(zip(NAMES, torch.from_numpy(physical).to(table.device), strict=True))


def complete(given: Mapping[str, Tensor | float], count: int = 1) -> tuple[Array, torch.device]:
    """Fill in neutral values: [F,N] float64, and the device on which to draw.

    N is what the given tensors say, or `count` where all are numbers.
    """
    tensors = {factor(name).name: torch.as_tensor(value) for name, value in given.items()}
    elsewhere = [t.device for t in tensors.values() if t.device.type != "cpu"]
    count = max((t.numel() for t in tensors.values() if t.dim()), default=count)
    values = np.repeat([[spec.neutral] for spec in FACTORS], count, 1)
    for name, t in tensors.items():
        if t.dim() > 1 or (t.dim() and t.numel() != count):
            raise UserError(
                f"factor {name!r} has shape {tuple(t.shape)}; expected a number or [{count}], as "
                "the others; give one value per image"
            )
        values[COLUMN[name]] = t.detach().cpu().double().numpy()
    return values, elsewhere[0] if elsewhere else torch.device("cpu")
