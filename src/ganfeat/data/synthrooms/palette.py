"""Colours of rooms: walls, floor, wood and trim from the palette, the rest from hues."""

import numpy as np

from ganfeat.data.drawn.colours import hue, ramp
from ganfeat.data.drawn.factors import Array

# One row per palette: saturation and value of the walls, colours of wood and of trim.
_BEDROOM = np.array(
    [
        (0.17, 0.96, 0.88, 0.76, 0.60, 0.97, 0.97, 0.96),
        (0.36, 0.90, 0.74, 0.51, 0.29, 0.96, 0.92, 0.84),
        (0.52, 0.62, 0.38, 0.23, 0.15, 0.90, 0.87, 0.82),
        (0.16, 0.56, 0.22, 0.23, 0.26, 0.36, 0.37, 0.41),
    ]
)
_KITCHEN = np.array(
    [
        (0.08, 0.96, 0.80, 0.82, 0.84, 0.97, 0.97, 0.98),
        (0.28, 0.93, 0.80, 0.62, 0.40, 0.93, 0.90, 0.80),
        (0.12, 0.74, 0.45, 0.47, 0.50, 0.62, 0.64, 0.67),
        (0.46, 0.86, 0.55, 0.26, 0.20, 0.97, 0.93, 0.86),
    ]
)
_BOARDS = np.array([(0.90, 0.79, 0.64), (0.66, 0.45, 0.28), (0.27, 0.18, 0.13)])
_TILES = np.array([(0.90, 0.89, 0.86), (0.60, 0.60, 0.62), (0.20, 0.21, 0.25)])
_OF_FAMILY = {"bedroom": (_BEDROOM, _BOARDS), "kitchen": (_KITCHEN, _TILES)}


def surfaces(f: dict[str, Array], family: str) -> dict[str, Array]:
    """Colours [N,3] of walls, ceiling, floor, wood and trim."""
    schemes, floors = _OF_FAMILY[family]
    scheme = schemes[f["palette"].astype(np.int64)]
    wall = hue(f["wall_hue"], scheme[:, 0:1], scheme[:, 1:2])
    return {
        "wall": wall,
        "ceiling": 0.22 * wall + 0.76,
        "floor": ramp(floors, f["floor_tone"]),
        "wood": scheme[:, 2:5],
        "trim": scheme[:, 5:8],
    }


def fabric(angle: Array) -> Array:
    """Colour [N,3] of dyed cloth or paint of a hue."""
    return hue(angle, 0.58, 0.80)


def same(colour: tuple[float, float, float], like: Array) -> Array:
    """One colour for all: [N,3]."""
    return np.repeat([colour], len(like), 0)
