"""Styles of one image in another: what each resolution of a code carries over."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ganfeat.features.small import Column
from ganfeat.metrics.measure import Result
from ganfeat.metrics.redraw import factors_of
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import Value, count_name
from ganfeat.pages import sheets
from ganfeat.ranges import Several
from ganfeat.tasks.linear import Array
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import Trial


class Mixing(Task):
    """``mixed_<which>_<group><n>_<judge>``: how far factors go from A to B when A gets B's styles.

    The judge reads A and B as they are drawn again, and A with the levels of B at the ``fine``
    resolutions (the two finest) or at the ``coarse`` ones (4 and 8 px). 0 is that nothing moves, 1
    that the factor is B's: the slope of the change over the difference of A and B, over all pairs.
    For a group the mean of its factors. The arrays have every factor (``mixed_fine`` and
    ``mixed_coarse``), and for every resolution alone (``mixed``).

    Args:
        n: pairs, of images of ``test``.
    """

    better = {
        "mixed_fine_colour": "higher",
        "mixed_fine_geometry": "lower",
        "mixed_coarse_colour": "lower",
        "mixed_coarse_geometry": "higher",
    }
    draws, reads, extras = True, True, ("factors",)

    def __init__(self, n: Several = 1000) -> None:
        self.n = n

    def lacks(self, trial: Trial) -> str:
        """Resolutions that are coarse, and others that are fine."""
        missing = super().lacks(trial)
        if not missing and len({*trial.rebuilder.resolutions.values()}) < 4:
            return "an encoder with levels at four resolutions or more"
        return missing

    def check(self, trial: Trial) -> None:
        """There must be images for all pairs."""
        trial.enough_pairs("test", self.n)

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """Four numbers, and a sheet: A, B, and A with B's levels at each resolution."""
        sides = sorted({*trial.rebuilder.resolutions.values()})
        bands = {"coarse": sides[:2], "fine": sides[-2:], **{f"{s} px": [s] for s in sides}}
        columns = trial.reader.columns
        kinds = ["a", "b", *bands]
        tables = Rows(self.n, len(kinds) * len(columns), what="a factor")
        tables.to(trial.references.device)
        shown: dict[str, Tensor] = {}
        for numbers, one, other in trial.pairs("test", self.n, (), "pairs"):
            first, second = one["image"], other["image"]
            own, theirs = (trial.network.encode(images) for images in (first, second))
            mixed = [
                swapped(own, theirs, trial.rebuilder.resolutions, band) for band in bands.values()
            ]
            drawn = [trial.rebuilder.draw(codes) for codes in (own, theirs, *mixed)]
            drawn = [images.clamp(-1, 1) for images in drawn]
            read = [factors_of(trial.reader, images) for images in drawn]
            tables.update(torch.cat(read, dim=1), numbers)
            if not shown:
                alone = dict(zip(bands, drawn[2:], strict=True))
                shown = {"A": first, "B": second, "A drawn again": drawn[0]}
                shown |= {f"B at {k}": v for k, v in alone.items() if k.endswith("px")}
        found = dict(zip(kinds, np.split(tables.numpy(), len(kinds), axis=1), strict=True))
        moves = {band: moved(found["a"], found["b"], found[band], columns) for band in bands}
        protocol = trial.protocol(trial.reader, real=2 * self.n)
        end = f"{count_name(self.n)}_{trial.reader.name}"
        values = []
        for band in ("fine", "coarse"):
            for group, names in trial.references.data.facts()["groups"].items():
                mean = float(np.mean([moves[band][factor] for factor in names]))
                name = f"mixed_{band}_{group}{end}"
                values.append(Value(name, mean, n=self.n, protocol=protocol))
        arrays = {"mixed": moves, "mixed_coarse": moves["coarse"], "mixed_fine": moves["fine"]}
        return Result(values, arrays, sheets("mixing", shown))


def swapped(
    own: Mapping[str, Tensor],
    other: Mapping[str, Tensor],
    resolutions: Mapping[str, int],
    band: Sequence[int],
) -> dict[str, Tensor]:
    """Levels of ``own``, and those of ``other`` at the resolutions of ``band``."""
    return {level: (other if resolutions[level] in band else own)[level] for level in own}


def moved(
    before: Array, target: Array, after: Array, columns: Sequence[Column]
) -> dict[str, float]:
    """How far each factor [n,F] has gone from ``before`` to ``target``: a slope over images."""
    found = {}
    for i, column in enumerate(columns):
        whole, part = (distance(x[:, i], before[:, i], column) for x in (target, after))
        found[column.name] = float((whole * part).sum() / max(np.square(whole).sum(), 1e-12))
    return found


def distance(there: Array, here: Array, column: Column) -> Array:
    """From one value to another [n]; of classes, 1 where they differ.

    Classes have no between: a change to a third one counts as one, too. Binary ones have a sign.
    """
    match column.kind:
        case "circular":
            found: Array = np.remainder(there - here + np.pi, 2 * np.pi) - np.pi
        case "categorical":
            found = (there != here).astype(float)
        case _:
            found = there - here
    return found
