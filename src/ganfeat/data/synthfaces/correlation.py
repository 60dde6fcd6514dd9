"""Planted correlations: dependence of a given size between factors whose marginals stay uniform.

A Gaussian copula. Each uniform u becomes a normal score, the scores are mixed by the Cholesky factor
of a latent correlation matrix, and go back to uniforms. The latent correlation rho that gives a
Pearson correlation r of the *drawn values* has a closed form for every pair of kinds:

    continuous, continuous   r = 6/pi asin(rho/2)                  (Spearman's rho of a normal pair)
    binary, binary           r = 2/pi asin(rho)                    (Sheppard's formula, phi)
    binary, continuous       r = sqrt(12)/pi asin(rho/sqrt(2))     (at most sqrt(3)/2 = 0.866)
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ganfeat.data.synthfaces.factors import COLUMN, FACTORS, NAMES, factor
from ganfeat.errors import UserError

Spec = Mapping[tuple[str, str], float] | Sequence[Sequence[str | float]]

# What a person's number decides comes first, so that no image of that person can change it.
_ORDER = sorted(range(len(NAMES)), key=lambda column: FACTORS[column].level != "identity")


def _latent(a: str, b: str, r: float) -> float:
    kinds = {factor(a).kind, factor(b).kind}
    if not kinds <= {"continuous", "binary"} or a == b:
        raise UserError(
            f"cannot correlate {a!r} with {b!r}; expected two different factors, each continuous or "
            "binary; choose another pair"
        )
    if kinds == {"continuous"}:
        limit, rho = 1.0, 2 * math.sin(math.pi * r / 6)
    elif kinds == {"binary"}:
        limit, rho = 1.0, math.sin(math.pi * r / 2)
    else:
        limit, rho = math.sqrt(3) / 2, math.sqrt(2) * math.sin(math.pi * r / math.sqrt(12))
    if not abs(r) < limit:
        raise UserError(
            f"a correlation of {r:g} between {a!r} and {b!r} is out of reach; expected less than "
            f"{limit:.3f} in size; choose a smaller one"
        )
    return rho


def _triples(spec: Spec) -> list[tuple[str, str, float]]:
    if isinstance(spec, Mapping):
        return [(a, b, float(r)) for (a, b), r in spec.items()]
    triples = []
    for row in spec:
        if len(row) != 3:
            raise UserError(
                f"correlate has the entry {list(row)!r}; expected [factor, factor, size]; correct it"
            )
        triples.append((str(row[0]), str(row[1]), float(row[2])))
    return triples


class Correlations:
    """Planted correlations, from `{(a, b): r}` or, as YAML has it, `[[a, b, r], ...]`.

    Raises UserError for unknown factors, kinds without a correlation, sizes out of reach, and sizes
    that cannot hold together.
    """

    def __init__(self, spec: Spec) -> None:
        self.triples = _triples(spec)
        matrix = torch.eye(len(NAMES), dtype=torch.float64)
        position = {column: place for place, column in enumerate(_ORDER)}
        for a, b, r in self.triples:
            rho = _latent(a, b, r)
            i, j = position[COLUMN[a]], position[COLUMN[b]]
            if matrix[i, j] != 0:
                raise UserError(f"correlate names {a!r} and {b!r} twice; name each pair once")
            matrix[i, j] = matrix[j, i] = rho
        lower, failed = torch.linalg.cholesky_ex(matrix)
        if int(failed):
            raise UserError(
                "the planted correlations contradict each other (their matrix is not positive "
                "definite); expected sizes that can hold together; make some of them smaller"
            )
        self._lower = lower
        named = {name for a, b, _ in self.triples for name in (a, b)}
        self._columns = [column for column in _ORDER if NAMES[column] in named]
        places = [position[column] for column in self._columns]
        self._block = lower[places][:, places]

    def plant(self, u: Tensor) -> Tensor:
        """Independent uniforms [N, F] -> uniforms [N, F] with the planted dependence."""
        scores = torch.special.ndtri(u[:, self._columns])
        # A sum of products and no matmul: the same bits whatever the batch.
        mixed = (scores[:, None, :] * self._block).sum(2)
        planted = u.clone()
        planted[:, self._columns] = torch.special.ndtr(mixed).clamp(1e-12, 1 - 1e-12)
        return planted

    def plain(self) -> list[list[str | float]]:
        """The triples as plain data, for records."""
        return [list(triple) for triple in self.triples]
