"""Attribute linearity score: how evenly attributes change along a path (HSR, Karmali et al. 2022).

From the authors' released evaluation; the paper's text was not at hand. 0 is a straight line.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Linearity(NamedTuple):
    """What `linearity` finds, for C attributes along paths of T frames.

    Attributes:
        curve: mean over paths of the absolute deviation, [T,C].
        spread: its standard deviation over paths, [T,C].
        score: sum over frames of the squared curve, [C]: the score that the authors print.
        area: area under the curve over [0, 1], [C].
        mean: mean of the curve over frames, [C].
    """

    curve: Array
    spread: Array
    score: Array
    area: Array
    mean: Array


def deviations(scores: Array, sigma: Array | None = None) -> Array:
    """Distance of each frame from the straight line between its path's ends, [P,T,C].

    Args:
        scores: raw attribute scores (logits) [P paths, T frames, C attributes].
        sigma: what a deviation is divided by, [C]; None takes this model's own standard deviation
            over all frames of all paths. Models are comparable where they share one.
    """
    sigma = scores.std(axis=(0, 1)) if sigma is None else sigma
    t = np.linspace(0, 1, scores.shape[1])[None, :, None]
    line = (1 - t) * scores[:, :1] + t * scores[:, -1:]
    return np.divide(line - scores, sigma, out=np.zeros_like(scores), where=sigma > 0)


def linearity(scores: Array, sigma: Array | None = None) -> Linearity:
    """The score and its two relatives; the square is taken after the mean over paths."""
    absolute = np.abs(deviations(scores, sigma))
    curve, spread = absolute.mean(axis=0), absolute.std(axis=0)
    return Linearity(
        curve=curve,
        spread=spread,
        score=np.square(curve).sum(axis=0),
        area=np.trapezoid(curve, dx=1 / (len(curve) - 1), axis=0),
        mean=curve.mean(axis=0),
    )
