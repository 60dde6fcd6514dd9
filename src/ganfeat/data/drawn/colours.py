"""Colours from factors."""

import math

import numpy as np

from ganfeat.data.drawn.factors import Array


def ramp(stops: Array, at: Array) -> Array:
    """Colour [N,3] at position `at` [N] in [0, 1] of a ramp of colours."""
    place = at * (len(stops) - 1)
    first = place.astype(np.int64).clip(0, len(stops) - 2)
    colour: Array = stops[first] + (stops[first + 1] - stops[first]) * (place - first)[:, None]
    return colour


def hue(angle: Array, saturation: Array | float, value: Array | float) -> Array:
    """HSV colour [N,3] of a hue [N] in radians; saturation and value are numbers or [N,1]."""
    sector = (angle * (3 / math.pi))[:, None] - np.array([0.0, 2.0, 4.0])
    wheel = np.abs(np.remainder(sector + 3, 6) - 3)
    colour: Array = value * (1 - saturation * (wheel - 1).clip(0, 1))
    return colour
