"""Linear readers of an encoder's levels: ridge regressions that are held back by what ``val`` says.

Numbers are standardised first, and a ridge of strength s adds s to the variance of each direction.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfeat.features.small import Column

Array = NDArray[np.float64]
Numbers = NDArray[np.floating[Any]]  # codes come in single precision and stay so: there are many
STRENGTHS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
RARE = 10  # deviations from the mean, beyond which nothing counts more
EQUAL = 128  # directions that are kept where levels of different widths are to be compared


class Standard:
    """Numbers [m,D] as far from their mean as they usually are, by what they are in ``known``.

    What was hardly ever seen to vary counts no more than ten deviations, else a rare colour of a
    histogram would outweigh all others.

    Args:
        known: [n,D].
    """

    def __init__(self, known: Numbers) -> None:
        self.mean = known.mean(axis=0, dtype=np.float64).astype(known.dtype)
        deviation = known.std(axis=0, dtype=np.float64) + 1e-8
        self.deviation = deviation.astype(known.dtype)

    def __call__(self, seen: Numbers) -> Numbers:
        """[m,D] to the same shape."""
        standard: Numbers = ((seen - self.mean) / self.deviation).clip(-RARE, RARE)
        return standard


class Linear:
    """Ridge regressions from one level, of all strengths.

    Args:
        known: what they learn from, [n,D].
        most: only so many of its principal components are looked at.
    """

    def __init__(self, known: Numbers, most: int | None = None) -> None:
        self.standard = Standard(known)
        whole = self.standard(known)
        self.energies, self.directions = principal(whole, most)
        self.known = whole @ self.directions

    def read(
        self, targets: Array, *seen: Numbers, classes: NDArray[np.bool_] | None = None
    ) -> list[list[Array]]:
        """Targets [n,T] of the known, to what each strength says of each ``seen`` [m,D]: [m,T].

        Args:
            targets: what is to be said.
            seen: of what.
            classes: which of the targets [T] are 0 or 1 and should be told apart as if both came
                as often, else a rare 1 is never said. What is said of these is stretched so that
                the means of both kinds are 0 and 1, between which 0.5 is the border (that of a
                linear discriminant analysis with equal priors).

        Returns:
            A list over strengths of a list over ``seen``.
        """
        offset = targets.mean(axis=0)
        product = self.known.T @ (targets - offset).astype(self.known.dtype) / len(self.known)
        places = [self.standard(each) @ self.directions for each in seen]
        slopes = [product / (self.energies + strength)[:, None] for strength in STRENGTHS]
        if classes is not None and classes.any():
            spread = targets.var(axis=0).clip(min=1e-12)
            for slope in slopes:
                reached = (slope * product).sum(axis=0) / spread  # the distance of the means
                slope[:, classes] /= reached[classes].clip(min=1e-6)
        slopes = [slope.astype(self.known.dtype) for slope in slopes]
        return [[place @ slope + offset for place in places] for slope in slopes]


def principal(rows: Numbers, most: int | None) -> tuple[Array, Numbers]:
    """Variances [k] and unit directions [D,k] of rows [n,D] around 0, the largest last.

    Directions in which nothing varies are left out where there are less rows than numbers.
    """
    count, width = rows.shape
    if width <= count:
        energies, directions = np.linalg.eigh((rows.T @ rows / count).astype(np.float64))
    else:  # the same from the products of rows, which are fewer
        energies, places = np.linalg.eigh((rows @ rows.T / count).astype(np.float64))
        varies = energies > 1e-9 * energies[-1]
        energies, places = energies[varies], places[:, varies]
        directions = rows.T @ places / np.sqrt(energies * count)
    first = 0 if most is None else max(0, len(energies) - most)
    return energies[first:].clip(min=0), directions[:, first:].astype(rows.dtype)


class Chosen(NamedTuple):
    """What a reader chose on ``val``, and what came of it.

    Attributes:
        strength: of the ridge.
        val: its score there.
        test: the score of the same reader on ``test``.
        predicted: what it says of the images of ``test``, [m,T].
    """

    strength: float
    val: float
    test: float
    predicted: Array


Score = Callable[[Array, str], float]  # predictions [m,T] and the part they are of; more is better


def choose(reader: Linear, targets: Array, val: Numbers, test: Numbers, score: Score) -> Chosen:
    """The strength whose predictions score best on ``val``; of equal ones the highest.

    Where few images choose, many score alike, and the lowest would say what rounding leaves.
    """
    tried = reader.read(targets, val, test)
    scores = [score(on_val, "val") for on_val, _ in tried]
    best = max(range(len(scores)), key=lambda i: (scores[i], STRENGTHS[i]))
    predicted = tried[best][1]
    return Chosen(STRENGTHS[best], scores[best], score(predicted, "test"), predicted)


def best_level(found: Mapping[str, Chosen]) -> str:
    """The level that scores best on ``val``."""
    return max(found, key=lambda level: found[level].val)


def as_targets(table: Array, columns: Sequence[Column]) -> Array:
    """A factor table [n,F] as numbers to regress: angles as cosine and sine, classes one-hot."""
    parts = []
    for values, column in zip(table.T, columns, strict=True):
        match column.kind:
            case "continuous":
                parts.append(values[:, None])
            case "circular":
                parts.append(np.stack([np.cos(values), np.sin(values)], axis=1))
            case _:
                parts.append(np.eye(max(column.classes, 2))[values.astype(int)])
    return np.concatenate(parts, axis=1)


def widths(columns: Sequence[Column]) -> list[int]:
    """Numbers that each factor has in `as_targets`."""
    kinds = {"continuous": 1, "circular": 2}
    return [kinds.get(c.kind, max(c.classes, 2)) for c in columns]


def as_table(targets: Array, columns: Sequence[Column]) -> Array:
    """Back from what was predicted [n,T] to a factor table [n,F]."""
    found = []
    parts = np.split(targets, np.cumsum(widths(columns))[:-1], axis=1)
    for part, column in zip(parts, columns, strict=True):
        match column.kind:
            case "continuous":
                found.append(part[:, 0])
            case "circular":
                found.append(np.arctan2(part[:, 1], part[:, 0]))
            case _:
                found.append(part.argmax(axis=1).astype(float))
    return np.stack(found, axis=1)
