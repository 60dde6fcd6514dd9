"""What edits do, from records: which attributes they shift, in which layers, how alike over seeds.

Edits of another seed come in another order, and to the other side: they are matched first.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfeat.report.document import Entry, Section, table
from ganfeat.report.plan import Record
from ganfeat.report.study import Study

Array = NDArray[np.float64]

SHIFT = "shift"  # the array of a record with the shifts [K,A], in deviations


class Order:
    """How edits of one seed stand for those of another.

    Args:
        places: of each edit there, which of these it is, [K].
        signs: of each edit there, 1 or -1, [K].
    """

    def __init__(self, places: NDArray[np.int64], signs: Array) -> None:
        self.places, self.signs = places, signs

    def rows(self, table: Array) -> Array:
        """A table [K,...] of these edits in the order of the others."""
        found: Array = table[self.places]
        return found

    def of(self, shifts: Array) -> Array:
        """Shifts [K,A] in that order, and to that side."""
        return self.signs[:, None] * self.rows(shifts)


def matched(tables: Sequence[Array]) -> list[Order]:
    """How the edits of each of these shifts [K,A] match those of the first.

    So that the cosines between rows are as large as they can be on the whole; the polarity of an
    edit means nothing (methods/contrafeat.md, trap 3).
    """
    return [match(tables[0], table) for table in tables]


def match(first: Array, other: Array) -> Order:
    """How the edits of ``other`` [K,A] stand for those of ``first``."""
    from scipy.optimize import linear_sum_assignment  # takes a second to import

    cosines = unit(first) @ unit(other).T
    _, places = linear_sum_assignment(-np.abs(cosines))
    signs = np.where(cosines[np.arange(len(first)), places] < 0, -1.0, 1.0)
    return Order(places, signs)


def unit(rows: Array) -> Array:
    """Rows of length 1; those of nothing stay."""
    found: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)
    return found


def likeness(tables: Sequence[Array]) -> float | None:
    """The mean cosine between matched edits of two seeds, over all pairs; None for one seed."""
    found = [
        float((unit(a) * unit(match(a, b).of(b))).sum(axis=1).mean())
        for a, b in combinations(tables, 2)
    ]
    return float(np.mean(found)) if found else None


def shifts_of(arm: str, done: Mapping[tuple[str, int], Record]) -> list[dict[str, Any]]:
    """The arrays of an arm's records that have shifts, by seed."""
    arrays = [record.get("arrays", {}) for (other, _), record in done.items() if other == arm]
    return [one for one in arrays if SHIFT in one]


def likeness_of_seeds(study: Study, done: Mapping[tuple[str, int], Record]) -> list[Section]:
    """A table of how alike the edits of an arm's seeds are; none where there is one seed."""
    found = {
        arm: likeness([np.array(one[SHIFT]) for one in shifts_of(arm, done)]) for arm in study.arms
    }
    rows: list[list[str | Entry]] = []
    rows += [[f"`{a}`", Entry(f"{x:.3f}", x)] for a, x in found.items() if x is not None]
    about = (
        "The mean cosine between shifts of two seeds' edits, which are matched in order and sign."
    )
    return [Section("Edits over seeds", [about, table(["arm", "cosine"], rows)])] if rows else []


def boundaries(done: Mapping[tuple[str, int], Record]) -> list[Section]:
    """A table of how boundaries in Z and in W divide, where records have some.

    Of each run the means over attributes: of accuracies, and of cosines between normals as they are
    without their sign.
    """
    rows = []
    for (arm, seed), record in done.items():
        arrays = record.get("arrays", {})
        for space in ("z", "w") if "boundary_attributes" in arrays else ():
            confident, rest = (
                float(np.mean(arrays[f"boundary_{part}_{space}"])) for part in ("confident", "rest")
            )
            cosines = np.abs(np.array(arrays[f"boundary_cosines_{space}"]))
            apart = cosines[~np.eye(len(cosines), dtype=bool)]
            shown = [Entry(f"{x:.3f}", x) for x in (confident, rest, float(apart.mean()))]
            rows.append([f"`{arm}`", str(seed), space, *shown])
    if not rows:
        return []
    about = (
        "Means over all attributes: the share of held out confident codes on the right side, of "
        "all other codes, and the cosine between normals without its sign."
    )
    headings = ["arm", "seed", "space", "confident", "others", "cosine"]
    return [Section("Boundaries", [about, table(headings, rows)])]


def layers_of_attributes(study: Study, done: Mapping[tuple[str, int], Record]) -> list[Section]:
    """A table for each arm of HiGAN's: in which layers its attributes are.

    Of each attribute that is edited, what moving one layer alone raises it by; means over the seeds
    in which it is among the edits, which are those that are raised most when all layers move.
    """
    sections = []
    for arm in study.arms:
        found: dict[str, list[Array]] = {}
        records = [record.get("arrays", {}) for (other, _), record in done.items() if other == arm]
        for arrays in records:
            rows = np.array(arrays.get("higan_layers", []))
            most = np.argsort(-np.array(arrays.get("higan_raised", [])), kind="stable")[: len(rows)]
            for i, row in zip(most, rows, strict=True):
                found.setdefault(arrays["higan_attributes"][i], []).append(row)
        if not found:
            continue
        means = {name: np.mean(rows, axis=0) for name, rows in found.items()}
        names = sorted(means, key=lambda name: (int(means[name].argmax()), name))
        lines: list[list[str | Entry]] = [
            [name, str(len(found[name])), *(Entry(f"{x:.2f}", float(x)) for x in means[name])]
            for name in names
        ]
        about = (
            f"What moving a single layer along a boundary's normal raises its attribute by, in "
            f"deviations and beyond what random directions do (`{arm}`; means over seeds)."
        )
        layers = [f"layer {i}" for i in range(len(means[names[0]]))]
        headings = ["attribute", "seeds", *layers]
        sections.append(Section(f"Layers of attributes: {arm}", [about, table(headings, lines)]))
    return sections
