"""Planted correlations: dependence of a given size between factors whose marginals stay uniform.

A Gaussian copula. Each uniform u becomes a normal score, the scores are mixed by the Cholesky
factor of a latent correlation matrix, and go back to uniforms. The latent correlation rho that
gives a Pearson correlation r of the *drawn values* has a closed form for every pair of kinds:

    continuous, continuous   r = 6/pi asin(rho/2)                  (Spearman's rho of a normal pair)
    binary, binary           r = 2/pi asin(rho)                    (Sheppard's formula, phi)
    binary, continuous       r = sqrt(12)/pi asin(rho/sqrt(2))     (at most sqrt(3)/2 = 0.866)
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from ganfeat.data.drawn.factors import Array, FactorTable
from ganfeat.errors import UserError

Spec = Mapping[tuple[str, str], float] | Sequence[Sequence[str | float]]


def _latent(table: FactorTable, a: str, b: str, r: float) -> float:
    kinds = {table.factor(a).kind, table.factor(b).kind}
    if not kinds <= {"continuous", "binary"} or a == b:
        raise UserError(
            f"cannot correlate {a!r} with {b!r}; expected two different factors, each continuous "
            "or binary; choose another pair"
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
    rows = [(*pair, r) for pair, r in spec.items()] if isinstance(spec, Mapping) else spec
    triples = []
    for row in rows:
        try:
            a, b, r = row
            triples.append((str(a), str(b), float(r)))
        except (TypeError, ValueError):
            raise UserError(
                f"correlate has the entry {row!r}; expected [factor, factor, size]; correct it"
            ) from None
    return triples


class Correlations:
    """Planted correlations, from `{(a, b): r}` or, as YAML has it, `[[a, b, r], ...]`.

    Raises UserError for unknown factors, kinds without a correlation, sizes out of reach, and sizes
    that cannot hold together.
    """

    def __init__(self, table: FactorTable, spec: Spec) -> None:
        self.triples = _triples(spec)
        # What a person's number decides comes first, so that no image of that person can change it.
        order = sorted(
            range(len(table.names)), key=lambda column: table.factors[column].level != "identity"
        )
        place_of = {table.names[column]: place for place, column in enumerate(order)}
        matrix = np.eye(len(order))
        for a, b, r in self.triples:
            rho = _latent(table, a, b, r)
            i, j = place_of[a], place_of[b]
            if matrix[i, j] != 0:
                raise UserError(
                    f"correlate has {a!r} and {b!r} twice; expected each pair once; remove one"
                )
            matrix[i, j] = matrix[j, i] = rho
        try:
            lower = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            raise UserError(
                "the planted correlations contradict each other (their matrix is not positive "
                "definite); expected sizes that can hold together; make some of them smaller"
            ) from None
        places = sorted({place_of[name] for a, b, _ in self.triples for name in (a, b)})
        self._columns = [order[place] for place in places]
        self._lower = lower[np.ix_(places, places)]

    def plant(self, u: Array) -> Array:
        """Independent uniforms [F,N] -> uniforms [F,N] with the planted dependence."""
        scores = ndtri(u[self._columns])
        # A sum of products and no matmul: the same bits whatever the batch.
        mixed = (self._lower[:, :, None] * scores).sum(1)
        planted = u.copy()
        planted[self._columns] = ndtr(mixed).clip(1e-12, 1 - 1e-12)
        return planted

    def plain(self) -> list[list[str | float]]:
        """The triples as plain data, for records."""
        return [list(triple) for triple in self.triples]
