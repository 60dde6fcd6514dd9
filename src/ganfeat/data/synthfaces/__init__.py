"""SynthFaces: drawn faces whose every factor is known, the project's default data set."""

from ganfeat.data.synthfaces.dataset import SynthFaces
from ganfeat.data.synthfaces.drawing import LANDMARKS, render
from ganfeat.data.synthfaces.factors import (
    BACKGROUND_PATTERNS,
    FACTORS,
    HAIR_STYLES,
    NAMES,
    denormalise,
    factor,
    normalise,
)
from ganfeat.data.synthfaces.painting import CLASSES
from ganfeat.data.synthfaces.sampling import SPLITS, Faces, sample

__all__ = [
    "BACKGROUND_PATTERNS", "CLASSES", "FACTORS", "HAIR_STYLES", "LANDMARKS", "NAMES", "SPLITS",
    "Faces", "SynthFaces", "denormalise", "factor", "normalise", "render", "sample",
]  # fmt: skip
