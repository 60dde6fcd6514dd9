"""What so many seeds can say of two arms: which is lower, and how far they are apart."""

import math
from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from ganfeat.report.cells import Cell


def numbers(of_arm: Mapping[int, Cell]) -> dict[int, float]:
    """The numbers that there are, by seed."""
    return {seed: cell.value for seed, cell in of_arm.items() if cell.value is not None}


def lower(one: Mapping[int, Cell], other: Mapping[int, Cell], sign: float = 1.0) -> bool:
    """Whether ``sign`` times one arm is below that of another, as far as their seeds can tell."""
    ours, theirs = numbers(one), numbers(other)
    shared = [seed for seed in ours if seed in theirs]
    differences = [sign * (ours[seed] - theirs[seed]) for seed in shared]
    if len(shared) >= 5:
        return mean(differences) < -interval(differences)
    each = bool(differences) and max(differences) < 0
    if len(shared) >= 3:
        return each
    return each and not any(_meet(one[seed], other[seed]) for seed in shared)


def _meet(a: Cell, b: Cell) -> bool:
    """Whether the intervals of two cells overlap; no where one has none."""
    ends = (a.low, a.high, b.low, b.high)
    if any(end is None for end in ends):
        return False
    low_a, high_a, low_b, high_b = (float(end) for end in ends if end is not None)
    return low_a <= high_b and low_b <= high_a


def against(ours: Mapping[int, float], theirs: Mapping[int, float]) -> str:
    """Differences of the seeds that both have, as far as so many can say something.

    One or two: each. Three or four: their mean and range, and how many agree in sign. Five or more:
    the mean with its paired 95 % t interval.
    """
    pairs = [(own, theirs[seed]) for seed, own in ours.items() if seed in theirs]
    found = [own - base for own, base in pairs]
    if not found:
        return ""
    if len(found) < 3:
        return ", ".join(f"{_signed(a - b)} ({_percent(a - b, b)})" for a, b in pairs)
    middle = mean(found)
    agree = max(sum(d > 0 for d in found), sum(d < 0 for d in found))
    text = f"{_signed(middle)}, {agree} of {len(found)} agree"
    if len(found) < 5:
        return f"{text}, {_signed(min(found))} to {_signed(max(found))}"
    half = interval(found)
    return f"{text}, 95 % {_signed(middle - half)} to {_signed(middle + half)}"


def interval(differences: Sequence[float]) -> float:
    """Half the width of the 95 % t interval of their mean."""
    from scipy.stats import t

    n = len(differences)
    return float(t.ppf(0.975, n - 1)) * stdev(differences) / math.sqrt(n)


def _signed(value: float) -> str:
    return f"{value:+.3g}" if abs(value) < 1e3 else f"{value:+.0f}"


def _percent(difference: float, base: float) -> str:
    return f"{100 * difference / abs(base):+.1f} %" if base else "of 0"
