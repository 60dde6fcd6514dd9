"""SynthRooms: drawn rooms whose layout, things and light are known."""

from ganfeat.data.synthrooms.camera import LINES, POINTS
from ganfeat.data.synthrooms.canvas import CLASSES
from ganfeat.data.synthrooms.dataset import SynthRooms
from ganfeat.data.synthrooms.drawing import render
from ganfeat.data.synthrooms.factors import FAMILIES, PRESENCE
from ganfeat.data.synthrooms.sampling import SPLITS, sample

__all__ = [
    "CLASSES", "FAMILIES", "LINES", "POINTS", "PRESENCE", "SPLITS", "SynthRooms", "render",
    "sample",
]  # fmt: skip
