"""Which face is image i: every draw is a hash of (seed, split, number, column).

No generator has a state, so an image does not depend on its batch, its worker or on what was drawn
before it. All of it is integer arithmetic modulo 2^64 and float64 on the CPU, the same everywhere.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganfeat.data.synthfaces.correlation import Correlations
from ganfeat.data.synthfaces.factors import FACTORS
from ganfeat.errors import UserError


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


def split_of(name: str) -> Split:
    """The split called `name`; raises UserError for an unknown one."""
    if name not in SPLITS:
        raise UserError(
            f"SynthFaces has no split {name!r}; expected one of {', '.join(SPLITS)}; "
            "correct data.split"
        )
    return SPLITS[name]


def _signed(constant: int) -> int:
    return constant - (1 << 64) if constant >> 63 else constant


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def mix(x: Tensor) -> Tensor:
    """splitmix64's finaliser (Steele et al. 2014) on int64: a bijection that scatters all bits."""
    # The mask makes the arithmetic shift of a signed integer a logical one.
    x = (x ^ ((x >> 30) & ((1 << 34) - 1))) * _FIRST
    x = (x ^ ((x >> 27) & ((1 << 37) - 1))) * _SECOND
    return x ^ ((x >> 31) & ((1 << 33) - 1))


def key(*parts: int | Tensor) -> Tensor:
    """Hash integers, in this order, into one int64 key; tensors broadcast."""
    state = torch.zeros((), dtype=torch.int64)
    for part in parts:
        state = mix((state + part) * 1 + _GOLDEN)
    return state


def uniforms(keys: Tensor, columns: int) -> Tensor:
    """int64 keys [N] -> float64 [N, columns], uniform in (0, 1)."""
    bits = mix(keys[:, None] + (torch.arange(columns) + 1) * _GOLDEN)
    return (((bits >> 11) & ((1 << 53) - 1)).double() + 0.5) * 2.0**-53


def _physical(u: Tensor) -> dict[str, Tensor]:
    values = {}
    for column, spec in enumerate(FACTORS):
        value = u[:, column]
        if spec.classes:
            values[spec.name] = torch.floor(value * spec.classes)
        else:
            values[spec.name] = spec.low + value * (spec.high - spec.low)
    return values


@dataclass(frozen=True)
class Faces:
    """N sampled faces.

    `factors`: name -> [N] float64, physical; `identity` [N] int64, the person's number within the
    split; `person_key`, `image_key` [N] int64, the hashes that place freckles and seed the grain.
    """

    factors: dict[str, Tensor]
    identity: Tensor
    person_key: Tensor
    image_key: Tensor


def sample(
    split: str, seed: int, indices: Tensor, correlations: Correlations | None = None
) -> Faces:
    """The faces with the numbers `indices` [N] int64 of a split."""
    population = split_of(split)
    people = indices % population.people
    person_key = key(seed, population.code, 1, people)
    image_key = key(seed, population.code, 2, indices)
    fixed = torch.tensor([spec.level == "identity" for spec in FACTORS])
    u = torch.where(
        fixed, uniforms(person_key, len(FACTORS)), uniforms(image_key, len(FACTORS))
    )
    if correlations is not None:
        u = correlations.plant(u)
    return Faces(_physical(u), people, person_key, image_key)
