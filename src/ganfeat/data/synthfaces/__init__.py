"""SynthFaces: drawn faces whose every factor is known, the project's default data set."""

from ganfeat.data.synthfaces.correlation import Correlations
from ganfeat.data.synthfaces.dataset import RENDERER, SynthFaces
from ganfeat.data.synthfaces.drawing import LANDMARKS, render
from ganfeat.data.synthfaces.factors import (
    BACKGROUND_PATTERNS,
    FACTORS,
    HAIR_STYLES,
    NAMES,
    Factor,
    denormalise,
    factor,
    normalise,
)
from ganfeat.data.synthfaces.painting import CLASSES
from ganfeat.data.synthfaces.sampling import SPLITS, Faces, sample

__all__ = [
    "BACKGROUND_PATTERNS", "CLASSES", "FACTORS", "HAIR_STYLES", "LANDMARKS", "NAMES", "RENDERER",
    "SPLITS", "Correlations", "Faces", "Factor", "SynthFaces", "denormalise", "factor", "normalise",
    "render", "sample",
]  # fmt: skip
