"""What each edit does to each attribute, and two numbers that say how apart edits are.

Gap and coverage are ContraFeat's (methods/contrafeat.md, 6.2 and 6.3; the names are ours), there
with steps chosen by hand, of attributes on scales of their own. Here steps are calibrated, and
beside the author's form stands one that counts in deviations and knows what is noise.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ganfeat.metrics.attributes import Attributes
from ganfeat.metrics.edited import Edited, OfAttributes, OfEnds
from ganfeat.metrics.measure import Result
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import Looks
from ganfeat.metrics.value import Value, count_name, middle, resampled_means
from ganfeat.pages import heat_map
from ganfeat.ranges import Several

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.int64]
NOISE = 3.0  # standard errors that a shift must exceed to be one


def gap(shifts: Array) -> Array:
    """Largest minus second largest of each row, where the largest is 1; mean over rows.

    ``shifts`` [...,K,A] are not negative. A row of nothing but 0 counts 0.
    """
    largest = shifts.max(axis=-1, keepdims=True)
    rows = np.divide(shifts, largest, out=np.zeros_like(shifts), where=largest > 0)
    ordered = np.sort(rows, axis=-1)
    found: Array = (ordered[..., -1] - ordered[..., -2]).mean(axis=-1)
    return found


def coverage(shifts: Array, counts: Bools | None = None) -> Array:
    """How many attributes are what some row [...,K,A] shifts most.

    Args:
        shifts: not negative.
        counts: which rows count, [...,K]; None for all.
    """
    most = np.eye(shifts.shape[-1], dtype=bool)[shifts.argmax(axis=-1)]
    if counts is not None:
        most = most & counts[..., None]
    found: Array = most.any(axis=-2).sum(axis=-1).astype(float)
    return found


def largest(moves: Array, deviations: Array) -> tuple[Places, Bools]:
    """Which attribute each edit shifts most, [K], and whether that is more than noise, [K].

    Args:
        moves: changes of samples, [n,K,A].
        deviations: of attributes, [A].
    """
    means, n = np.abs(moves.mean(axis=0)), len(moves)
    errors = moves.std(axis=0, ddof=1) / np.sqrt(n)
    most = (means / deviations).argmax(axis=1)
    edits = np.arange(len(most))
    return most, (means > NOISE * errors)[edits, most]


class Shifts(NamedTuple):
    """Shift matrices and what is made of them, [...] for resamples.

    Attributes:
        gap, coverage: in the author's form.
        gap_z, coverage_z: in deviations of each attribute; rows that are noise count 0 and none.
    """

    gap: Array
    coverage: Array
    gap_z: Array
    coverage_z: Array


def summed_up(means: Array, deviations: Array, counts: Bools) -> Shifts:
    """Of mean changes [...,K,A], attributes' deviations [A] and which rows count [K]."""
    size = np.abs(means)
    z = size / deviations
    kept = np.where(counts[:, None], z, 0.0)
    every = np.broadcast_to(counts, z.shape[:-1])
    return Shifts(gap(size), coverage(size), gap(kept), coverage(z, every))


class AttributeShift(OfAttributes, OfEnds):
    """``gap<n>_<judge>``, ``coverage<n>_<judge>``, ``gap_z...``, ``coverage_z...``, ``moving...``.

    ``moving`` is the number of edits that count: what they shift most, in deviations, they shift by
    more than three standard errors.
    The arrays have the matrices: ``shift`` the mean change of each attribute along each edit, in
    deviations and with its sign, ``shift_each`` the mean of its size in single images, which is
    larger where an edit does one thing here and another there; and of every edit what it is called
    (``edit_names``): the attribute that it shifts most, its sign, and how much of all that it
    shifts this is (``purity``).

    Args:
        n: samples.
    """

    better = {"gap": "higher", "coverage": "higher", "moving": None}

    def __init__(self, n: Several = 1000) -> None:
        self.n = n

    def start(self, edited: Edited) -> None:
        """Room for the changes."""
        scorer = edited.judge.attributes
        assert scorer is not None
        self.reads = Attributes(scorer)
        self.rows = Rows(self.n, 1 + edited.count, len(self.reads.names), what="a score")
        self.rows.to(edited.subject.samples.device)

    def look(self, samples: Looks, ends: Looks) -> None:
        """Read attributes."""
        read = self.reads.read(ends)
        read = read.view(len(samples.images), -1, read.shape[1])
        changes = self.reads.change(*read.chunk(2, dim=1))
        own = self.reads.read(samples)[:, None]
        self.rows.update(torch.cat([own, changes], dim=1), samples.numbers)

    def result(self, edited: Edited) -> Result:
        """Five numbers, and the matrices."""
        reads, scorer = self.reads, self.reads.scorer
        found = self.rows.numpy()
        deviations = reads.spread(torch.from_numpy(found[:, 0])).numpy()
        moves = found[:, 1:]
        means = moves.mean(axis=0)
        _, counts = largest(moves, deviations)
        once = summed_up(means, deviations, counts)
        again = summed_up(resampled_means(moves), deviations, counts)
        protocol = edited.protocol(
            scorer, samples=self.n, attributes=reads.names, noise_floor=NOISE
        )
        end = f"{count_name(self.n)}_{scorer.name}"
        values = [
            Value(f"{name}{end}", float(x), *middle(resampled), self.n, protocol=protocol)
            for name, x, resampled in zip(once._fields, once, again, strict=True)
        ]
        moving = float(counts.sum())
        values.append(Value(f"moving{end}", moving, n=self.n, protocol=protocol))
        z = means / deviations
        arrays: dict[str, Any] = {
            "shift": z.tolist(),
            "shift_each": (np.abs(moves).mean(axis=0) / deviations).tolist(),
            "shift_attributes": reads.names,
            "edit_names": [named(row, reads.names) for row in z],
        }
        picture = heat_map(
            z, edited.navigator.labels, reads.names, "deviations", "Shift of attributes by edits"
        )
        return Result(values, arrays, {"shift": picture})


def named(row: Array, attributes: list[str]) -> dict[str, Any]:
    """What an edit does most, from its shifts [A] in deviations."""
    size = np.abs(row)
    most = int(size.argmax())
    purity = float(size[most] / size.sum()) if size.sum() > 0 else 0.0
    return {"attribute": attributes[most], "sign": int(np.sign(row[most])), "purity": purity}
