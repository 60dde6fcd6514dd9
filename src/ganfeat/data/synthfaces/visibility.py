"""Which factors can be seen at a resolution: what metrics and cards may ask of a network."""

import numpy as np
import torch

from ganfeat.data.synthfaces.drawing import draw
from ganfeat.data.synthfaces.factors import COLUMN, FACTORS, Factor
from ganfeat.data.synthfaces.sampling import sample

FACES = 500
VISIBLE = 2.0  # grey levels; a factor that changes faces by more can be seen


def visibility(resolution: int, faces: int = FACES, split: str = "test") -> dict[str, float]:
    """How much each factor changes a face from one extreme to the other, all else equal.

    Returns:
        For each factor the root mean square difference over the pixels that change, in grey levels
        of 255, averaged over ``faces`` faces. Extremes are a continuous factor's ends, a circular
        one's opposites, the first and the last class of the others.
    """
    return {spec.name: _change(spec, resolution, faces, split) for spec in FACTORS}


def _change(spec: Factor, resolution: int, faces: int, split: str) -> float:
    some = sample(split, 0, np.arange(faces))
    ends = []
    for value in _extremes(spec):
        values = some.values.copy()
        values[COLUMN[spec.name]] = value
        keys = (some.person_key, some.image_key)
        ends.append(draw(values, resolution, torch.device("cpu"), *keys, ())["image"])
    difference = (ends[1] - ends[0]) * 127.5
    touched = (difference != 0).any(dim=1).sum(dim=[1, 2])
    energy = difference.square().mean(dim=1).sum(dim=[1, 2])
    return float((energy / touched.clamp(min=1)).sqrt().mean())


def _extremes(spec: Factor) -> tuple[float, float]:
    match spec.kind:
        case "continuous":
            return spec.low, spec.high
        case "circular":
            return spec.low, (spec.low + spec.high) / 2
    return 0, spec.classes - 1
