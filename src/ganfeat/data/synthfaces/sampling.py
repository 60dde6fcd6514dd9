"""Which face is image i: every draw is a hash of (seed, split, number, column).

No generator has a state, so an image does not depend on its batch, its worker or on what was drawn
before it. All of it is integer arithmetic modulo 2^64 and float64 on the CPU, the same everywhere.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ganfeat.data.synthfaces.correlation import Correlations
from ganfeat.data.synthfaces.factors import FACTORS, NAMES, Array
from ganfeat.errors import UserError

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Split:
    """A population: `code` keeps its draws apart, `people` live in it, `length` is the default."""

    code: int
    people: int
    length: int


SPLITS: dict[str, Split] = {
    "train": Split(1, 2_000, 50_000),
    "val": Split(2, 400, 10_000),
    "test": Split(3, 400, 10_000),
    "judge": Split(4, 2_000, 10_000),
    "scorer": Split(5, 2_000, 10_000),
    "teacher": Split(6, 2_000, 10_000),
}
_PERSON, _IMAGE = 1, 2
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def split_of(name: str) -> Split:
    """The split called `name`; raises UserError for an unknown one."""
    if name not in SPLITS:
        raise UserError(
            f"SynthFaces has no split {name!r}; expected one of {', '.join(SPLITS)}; "
            "correct data.split"
        )
    return SPLITS[name]


def mix(x: Keys) -> Keys:
    """splitmix64's finaliser (Steele et al. 2014): a bijection that scatters all bits."""
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))


def as_keys(numbers: ArrayLike | Tensor) -> Keys:
    """Integers of any sign, modulo 2^64, as [N] uint64."""
    if isinstance(numbers, int):
        return np.array([numbers % 2**64], dtype=np.uint64)
    return np.atleast_1d(np.asarray(numbers)).astype(np.int64).view(np.uint64)


def key(*parts: ArrayLike) -> Keys:
    """Hash integers, in this order, into keys [N]; arrays and numbers broadcast."""
    state = np.zeros(1, dtype=np.uint64)
    for part in parts:
        state = mix(state + as_keys(part) + _GOLDEN)
    return state


def uniforms(keys: Keys, columns: int) -> Array:
    """Keys [N] -> float64 [columns, N], uniform in (0, 1)."""
    counter = np.arange(1, columns + 1, dtype=np.uint64) * _GOLDEN
    bits = mix(keys + counter[:, None])
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


_FIXED = np.array([[spec.level == "identity"] for spec in FACTORS])
_CLASSED = np.array([[spec.classes > 0] for spec in FACTORS])
_LOW = np.array([[0.0 if spec.classes else spec.low] for spec in FACTORS])
_SPAN = np.array([[float(spec.classes or spec.high - spec.low)] for spec in FACTORS])


@dataclass(frozen=True)
class Faces:
    """N sampled faces.

    `values` [F,N] float64: the physical factors, in the order of `FACTORS`; `identity` [N] int64:
    the person's number within the split; `person_key`, `image_key` [N] uint64: what places the
    freckles and seeds the grain.
    """

    values: Array
    identity: NDArray[np.int64]
    person_key: Keys
    image_key: Keys

    @property
    def factors(self) -> dict[str, Tensor]:
        """Physical factors: name -> [N] float64."""
        return dict(zip(NAMES, torch.from_numpy(self.values), strict=True))


def sample(
    split: str, seed: int, indices: ArrayLike, correlations: Correlations | None = None
) -> Faces:
    """The faces with these numbers of a split."""
    population = split_of(split)
    numbers = np.atleast_1d(np.asarray(indices, dtype=np.int64))
    people = numbers % population.people
    person_key = key(seed, population.code, _PERSON, people)
    image_key = key(seed, population.code, _IMAGE, numbers)
    count = len(FACTORS)
    u = np.where(_FIXED, uniforms(person_key, count), uniforms(image_key, count))
    if correlations is not None:
        u = correlations.plant(u)
    return Faces(values_of(u), people, person_key, image_key)


def values_of(u: Array) -> Array:
    """Uniforms [F,N] as physical factors [F,N]."""
    values = _LOW + u * _SPAN
    found: Array = np.where(_CLASSED, np.floor(values), values)
    return found
