"""Which factors can be seen at a resolution: what metrics and cards may ask of a network."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ganfeat.data.drawn.dataset import Drawn
from ganfeat.data.drawn.factors import Factor

IMAGES = 500
VISIBLE = 2.0  # grey levels; a factor that changes images by more can be seen


def visibility(
    data: Drawn[Any], factors: Iterable[Factor] | None = None, n: int = IMAGES
) -> dict[str, float]:
    """How much each factor changes an image of these data from one extreme to the other.

    Args:
        data: whose first ``n`` images are drawn again, all else equal.
        factors: those to look at; all when None.

    Returns:
        For each factor the root mean square difference over the pixels that change, in grey levels
        of 255, averaged over the images. Extremes are a continuous factor's ends, a circular one's
        opposites, the first and the last class of the others.
    """
    return {spec.name: _change(data, spec, n) for spec in factors or data.table.factors}


def _change(data: Drawn[Any], spec: Factor, n: int) -> float:
    some = data.sample(range(n))
    ends = []
    for value in _extremes(spec):
        values = some.values.copy()
        values[data.table.column[spec.name]] = value
        ends.append(data.draw(replace(some, values=values))["image"])
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
