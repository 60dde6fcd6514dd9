"""Which face is image i of a split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganfeat.data.drawn.correlation import Correlations
from ganfeat.data.drawn.sampling import Keys, Sample, Split, key, split_of, uniforms
from ganfeat.data.synthfaces.factors import FACTORS, TABLE


@dataclass(frozen=True)
class Population(Split):
    """A split in which this many people live."""

    people: int


SPLITS: dict[str, Population] = {
    "train": Population(1, 50_000, 2_000),
    "val": Population(2, 10_000, 400),
    "test": Population(3, 10_000, 400),
    "judge": Population(4, 10_000, 2_000),
    "scorer": Population(5, 10_000, 2_000),
    "teacher": Population(6, 10_000, 2_000),
}
_PERSON, _IMAGE = 1, 2
_FIXED = np.array([[spec.level == "identity"] for spec in FACTORS])


@dataclass(frozen=True)
class Faces(Sample):
    """N sampled faces.

    `identity` [N] int64: the person's number within the split; `person_key` [N] uint64: what places
    the freckles.
    """

    identity: NDArray[np.int64]
    person_key: Keys


def sample(
    split: str, seed: int, indices: ArrayLike, correlations: Correlations | None = None
) -> Faces:
    """The faces with these numbers of a split."""
    population = split_of(SPLITS, split, TABLE.owner)
    numbers = np.atleast_1d(np.asarray(indices, dtype=np.int64))
    people = numbers % population.people
    person_key = key(seed, population.code, _PERSON, people)
    image_key = key(seed, population.code, _IMAGE, numbers)
    count = len(FACTORS)
    u = np.where(_FIXED, uniforms(person_key, count), uniforms(image_key, count))
    if correlations is not None:
        u = correlations.plant(u)
    return Faces(TABLE, TABLE.values(u), image_key, people, person_key)
