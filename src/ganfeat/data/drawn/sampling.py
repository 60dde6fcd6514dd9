"""Which picture is image i: every draw is a hash of (seed, split, number, column).

No generator has a state, so an image does not depend on its batch, its worker or on what was drawn
before it. All of it is integer arithmetic modulo 2^64 and float64 on the CPU, the same everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ganfeat.data.drawn.factors import Array, FactorTable
from ganfeat.errors import UserError

Keys = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Split:
    """A population: `code` keeps its draws apart, `length` is the default number of images."""

    code: int
    length: int


S = TypeVar("S", bound=Split)


@dataclass(frozen=True)
class Sample:
    """N sampled pictures.

    `values` [F,N] float64: the physical factors, in the order of `table`; `image_key` [N] uint64:
    what seeds the grain.
    """

    table: FactorTable
    values: Array
    image_key: Keys

    @property
    def factors(self) -> dict[str, Tensor]:
        """Physical factors: name -> [N] float64."""
        return self.table.by_name(self.values)


def split_of(splits: Mapping[str, S], name: str, owner: str) -> S:
    """The split called `name`; raises UserError for an unknown one."""
    if name not in splits:
        raise UserError(
            f"{owner} has no split {name!r}; expected one of {', '.join(splits)}; "
            "correct data.split"
        )
    return splits[name]


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
