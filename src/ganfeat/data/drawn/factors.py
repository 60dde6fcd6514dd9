"""Factors: what varies in drawn images, in which unit, over which range, and at which level.

Inside a renderer a factor has its *physical* value (degrees, shares of the side, number of the
category). What a metric sees is the *normalised* table [N,F]: continuous factors in [-1, 1], binary
ones 0 or 1, categorical ones their index, circular ones their angle in radians.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.errors import UserError

Array = NDArray[np.float64]
Kind = Literal["continuous", "binary", "categorical", "circular"]


@dataclass(frozen=True)
class Factor:
    """One column of the factor table.

    `low` and `high` bound the physical value: both are reached by continuous factors, `high` is the
    number of classes of a categorical one and the period of a circular one. `neutral` is what
    `render` takes when the factor is not given.
    """

    name: str
    level: str
    kind: Kind
    low: float
    high: float
    neutral: float
    unit: str
    about: str

    @property
    def classes(self) -> int:
        """Number of values of a binary or categorical factor; 0 for the others."""
        return {"binary": 2, "categorical": int(self.high)}.get(self.kind, 0)


def continuous(
    name: str,
    level: str,
    low: float,
    high: float,
    unit: str,
    about: str,
    neutral: float = math.nan,
) -> Factor:
    """A continuous factor, neutral in the middle of its range unless said otherwise."""
    middle = (low + high) / 2 if math.isnan(neutral) else neutral
    return Factor(name, level, "continuous", low, high, middle, unit, about)


class FactorTable:
    """The factors of one kind of picture, in the order of their columns.

    Args:
        owner: the data set's name, for messages.
        factors: the rows of the table.
    """

    def __init__(self, owner: str, factors: Sequence[Factor]) -> None:
        self.owner, self.factors = owner, tuple(factors)
        self.names = tuple(spec.name for spec in self.factors)
        self.column = {name: column for column, name in enumerate(self.names)}
        lines = [spec.kind == "continuous" for spec in self.factors]
        both = list(zip(self.factors, lines, strict=True))
        self._offset = np.array([[s.low if line else 0.0] for s, line in both])
        self._gain = np.array([[2 / (s.high - s.low) if line else 1.0] for s, line in both])
        self._base = np.array([[1.0 if line else 0.0] for line in lines])
        self._classed = np.array([[spec.classes > 0] for spec in self.factors])
        self._low = np.array([[0.0 if s.classes else s.low] for s in self.factors])
        self._span = np.array([[float(s.classes or s.high - s.low)] for s in self.factors])

    def factor(self, name: str) -> Factor:
        """The row called `name`; raises UserError for an unknown one."""
        if name not in self.column:
            raise UserError(
                f"{self.owner} has no factor {name!r}; expected one of {', '.join(self.names)}; "
                "correct the name"
            )
        return self.factors[self.column[name]]

    def values(self, u: Array) -> Array:
        """Uniforms [F,N] in (0, 1) -> physical values [F,N], uniform over the ranges."""
        values: Array = self._low + u * self._span
        return np.where(self._classed, np.floor(values), values)

    def by_name(self, values: Array) -> dict[str, Tensor]:
        """Physical values [F,N] -> name -> [N] float64, as `render` takes them."""
        return dict(zip(self.names, torch.from_numpy(values), strict=True))

    def normalise(self, physical: Array) -> Tensor:
        """Physical values [F,N] -> the table [N,F] float32 that metrics see."""
        return torch.from_numpy(((physical - self._offset) * self._gain - self._base).T).float()

    def denormalise(self, table: Tensor) -> dict[str, Tensor]:
        """The table [N,F] -> physical values, name -> [N] float64, as `render` takes them."""
        physical = (table.double().cpu().numpy().T + self._base) / self._gain + self._offset
        values = torch.from_numpy(physical).to(table.device)
        return dict(zip(self.names, values, strict=True))

    def complete(
        self, given: Mapping[str, Tensor | float], count: int = 1
    ) -> tuple[Array, torch.device]:
        """Fill in neutral values: [F,N] float64, and the device on which to draw.

        N is what the given tensors say, or `count` where all are numbers.
        """
        tensors = {self.factor(name).name: torch.as_tensor(value) for name, value in given.items()}
        elsewhere = [t.device for t in tensors.values() if t.device.type != "cpu"]
        count = max((t.numel() for t in tensors.values() if t.dim()), default=count)
        values = np.repeat([[spec.neutral] for spec in self.factors], count, 1)
        for name, t in tensors.items():
            if t.dim() > 1 or (t.dim() and t.numel() != count):
                raise UserError(
                    f"factor {name!r} has shape {tuple(t.shape)}; expected a number or [{count}], "
                    "as the others; give one value per image"
                )
            values[self.column[name]] = t.detach().cpu().double().numpy()
        return values, elsewhere[0] if elsewhere else torch.device("cpu")
