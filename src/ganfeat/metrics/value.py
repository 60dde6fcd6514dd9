"""A measured number with all that it takes to compare it: the protocol and the uncertainty."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RESAMPLES = 1000
Better = Mapping[str, str | None]
"""``lower``, ``higher`` or None for neither, by the beginnings of names of values."""


@dataclass(frozen=True)
class Value:
    """One row of a result.

    Attributes:
        name: metric, count and network: ``fid10k_factornet``.
        value: None where it does not apply (``n/a``).
        low, high: 95 % of bootstrap resamples over images, pairs or paths, where there are any.
        n: how many of these were measured.
        seconds: what it took.
        protocol: everything else that the number depends on, as plain data.
        better: ``lower`` or ``higher``; None where neither is, or nobody says.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    seconds: float = 0.0
    protocol: dict[str, Any] = field(default_factory=dict)
    better: str | None = None

    def plain(self) -> dict[str, Any]:
        """For ``result.json``."""
        return asdict(self)


def mean_value(
    name: str, items: Array, protocol: dict[str, Any], groups: NDArray[np.int64] | None = None
) -> Value:
    """The mean of ``items`` [n] with its interval.

    Items that have something in common are not independent: where ``groups`` [n] numbers what they
    share, from 0 and each as often, the interval is over these.
    """
    blocks = items if groups is None else np.bincount(groups, items) / np.bincount(groups)
    low, high = middle(resampled_means(blocks))
    return Value(name, float(items.mean()), low, high, n=len(items), protocol=protocol)


def ratio_value(name: str, above: Array, below: Array, protocol: dict[str, Any]) -> Value:
    """The mean of ``above`` [n] over that of ``below`` [n] with its interval.

    Both are of the same images, and are resampled together.
    """
    means = resampled_means(np.stack([above, below], axis=1))
    low, high = middle(means[:, 0] / means[:, 1])
    ratio = float(above.mean() / below.mean())
    return Value(name, ratio, low, high, n=len(below), protocol=protocol)


def not_applicable(name: str, needs: str) -> Value:
    """``n/a``, and what it would take."""
    return Value(name, None, protocol={"needs": needs})


def direction(name: str, better: Better) -> str | None:
    """What a measurement says of a value's name: the longest of its beginnings counts."""
    found = max((start for start in better if name.startswith(start)), key=len, default=None)
    return None if found is None else better[found]


def count_name(n: int) -> str:
    """5000 -> ``5k``, 500 -> ``500``."""
    return f"{n // 1000}k" if n % 1000 == 0 else str(n)


def resamples(n: int) -> Iterator[NDArray[np.int64]]:
    """Bootstrap resamples of n items: their numbers [n], the same at every call."""
    rng = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        yield rng.integers(0, n, n)


def resampled_means(items: Array) -> Array:
    """The mean of ``items`` [n,...] in every resample, [RESAMPLES,...]."""
    flat = items.reshape(len(items), -1)
    n = len(flat)
    means = [np.bincount(chosen, minlength=n) @ flat / n for chosen in resamples(n)]
    return np.stack(means).reshape(RESAMPLES, *items.shape[1:])


def middle(values: Array | list[Any]) -> tuple[float, float]:
    """Where the middle 95 % of ``values`` begin and end."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
