"""Colours: skin, hair and eyes from their factors, everything else from those or fixed."""

import numpy as np

from ganfeat.data.drawn.colours import hue, ramp
from ganfeat.data.drawn.factors import Array

_SKIN = np.array([(1.0, 0.86, 0.76), (0.95, 0.74, 0.58), (0.76, 0.52, 0.36), (0.47, 0.29, 0.19)])
_HAIR = np.array(
    [(0.09, 0.08, 0.10), (0.30, 0.18, 0.11), (0.60, 0.27, 0.11), (0.93, 0.73, 0.38),
     (0.88, 0.88, 0.9)]
)  # fmt: skip
_IRIS = np.array([(0.28, 0.14, 0.06), (0.58, 0.38, 0.10), (0.22, 0.56, 0.28), (0.15, 0.50, 0.95)])

# name: (share of the skin's colour, share of the hair's, added)
_BLACK = (0.0, 0.0, 0.0)
_MIXED = {
    "skin": ((1.0, 1.0, 1.0), _BLACK, _BLACK),
    "shadow": ((0.66, 0.55, 0.52), _BLACK, _BLACK),
    "ear": ((0.96, 0.84, 0.80), _BLACK, _BLACK),
    "neck": ((0.92, 0.85, 0.82), _BLACK, _BLACK),
    "blush": ((1.0, 0.74, 0.70), _BLACK, _BLACK),
    "freckle": ((0.62, 0.42, 0.31), _BLACK, _BLACK),
    "nose": ((0.98, 0.83, 0.78), _BLACK, _BLACK),
    "nostril": ((0.40, 0.30, 0.28), _BLACK, _BLACK),
    "lips": ((0.64, 0.31, 0.33), _BLACK, (0.19, 0.02, 0.05)),
    "hair": (_BLACK, (1.0, 1.0, 1.0), _BLACK),
    "beard": ((0.05, 0.05, 0.05), (0.68, 0.68, 0.68), _BLACK),
    "eyeball": (_BLACK, _BLACK, (0.99, 0.99, 0.98)),
    "dark": (_BLACK, _BLACK, (0.09, 0.06, 0.07)),
    "throat": (_BLACK, _BLACK, (0.38, 0.06, 0.09)),
    "frame": (_BLACK, _BLACK, (0.10, 0.11, 0.16)),
    "hat": (_BLACK, _BLACK, (0.16, 0.24, 0.52)),
    "band": (_BLACK, _BLACK, (0.52, 0.66, 0.90)),
    "shirt": (_BLACK, _BLACK, (0.36, 0.42, 0.52)),
}
_OF_SKIN, _OF_HAIR, _ADDED = np.array(list(_MIXED.values())).transpose(1, 0, 2)[:, :, None]
COLOURS = (*_MIXED, "iris", "first", "second")


def palette(skin_tone: Array, hair_colour: Array, eye_colour: Array, backdrop: Array) -> Array:
    """Colours [K,N,3] in [0, 1], in the order of `COLOURS`, from factors [N]."""
    skin, hair = ramp(_SKIN, skin_tone), ramp(_HAIR, hair_colour)
    mixed = _OF_SKIN * skin + _OF_HAIR * hair + _ADDED
    others = (ramp(_IRIS, eye_colour), hue(backdrop, 0.42, 0.92), hue(backdrop, 0.62, 0.58))
    return np.concatenate([mixed, np.stack(others)])
