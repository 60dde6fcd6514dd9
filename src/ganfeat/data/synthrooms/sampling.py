"""Which room is image i of a split of a family."""

import numpy as np
from numpy.typing import ArrayLike

from ganfeat.data.drawn.correlation import Correlations
from ganfeat.data.drawn.sampling import Sample, Split, key, split_of, uniforms
from ganfeat.data.synthrooms.factors import FAMILIES, table_of

_BEDROOMS = {
    "train": Split(1, 50_000),
    "val": Split(2, 10_000),
    "test": Split(3, 10_000),
    "judge": Split(4, 10_000),
}
# Nothing is ever trained on kitchens.
SPLITS = {
    "bedroom": _BEDROOMS,
    "kitchen": {name: _BEDROOMS[name] for name in ("val", "test")},
}
_CODE = {family: code for code, family in enumerate(FAMILIES, 11)}


def splits_of(family: str) -> dict[str, Split]:
    """The splits of a family; raises UserError for an unknown one."""
    table_of(family)
    return SPLITS[family]


def sample(
    family: str,
    split: str,
    seed: int,
    indices: ArrayLike,
    correlations: Correlations | None = None,
) -> Sample:
    """The rooms with these numbers of a split."""
    table = table_of(family)
    population = split_of(SPLITS[family], split, table.owner)
    numbers = np.atleast_1d(np.asarray(indices, dtype=np.int64))
    image_key = key(seed, population.code, _CODE[family], numbers)
    u = uniforms(image_key, len(table.names))
    if correlations is not None:
        u = correlations.plant(u)
    return Sample(table, table.values(u), image_key)
