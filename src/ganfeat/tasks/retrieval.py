"""Images that a level finds alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features.small import Column
from ganfeat.metrics.measure import Result
from ganfeat.metrics.reading import columns_of
from ganfeat.metrics.value import count_name, mean_value
from ganfeat.pictures import image_grid
from ganfeat.ranges import Count, Several
from ganfeat.tasks.curves import curves
from ganfeat.tasks.linear import Array
from ganfeat.tasks.task import Seen, Task, Trial, enough

BINS = 8  # of a continuous or circular factor
SHOWN = 6  # queries in a picture
AT_ONCE = 500  # queries


class Retrieval(Task):
    """``retrieval_<factor><n>``: share of the ten nearest images that have a query's factor.

    Images of ``test`` are compared by the cosine of one level, each of its numbers standardised by
    what it is in ``train``. A continuous or circular factor is the same where it falls into the
    same of eight equal bins. The level of each factor is chosen on ``val``; the arrays have all.

    Args:
        factors: names of the factors.
        n: images of ``test``, each a query and all others what is looked through.
        val: images of ``val``.
        nearest: how many are looked at.
    """

    extras = ("factors",)

    def __init__(
        self,
        factors: Sequence[str],
        n: Several = 10_000,
        val: Several = 2000,
        nearest: Count = 10,
    ) -> None:
        self.factors, self.n, self.val, self.nearest = list(factors), n, val, nearest

    def check(self, trial: Trial) -> None:
        """The factors must exist, and there must be enough to look through."""
        names = [column.name for column in columns_of(trial.references)]
        if unknown := [factor for factor in self.factors if factor not in names]:
            raise UserError(f"retrieval by {unknown[0]}: these data have {', '.join(names)}")
        enough(trial, "val", self.val, self.nearest + 1, "retrieval")
        enough(trial, "test", self.n, self.nearest + 1, "retrieval")

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """A number for each factor, and a sheet of what some queries find."""
        columns = {
            column.name: (i, column) for i, column in enumerate(columns_of(trial.references))
        }
        train = trial.seen("train", self.n)
        precision: dict[str, dict[str, dict[str, Array]]] = {"val": {}, "test": {}}
        sheets: dict[str, list[int]] = {}
        parts = {
            "val": trial.seen("val", self.val),
            "test": trial.seen("test", self.n),
        }
        for part, seen in parts.items():
            for level in seen.levels:
                found = nearest(seen.levels[level], train.levels[level], self.nearest)
                precision[part][level] = {
                    factor: self._right(found, seen, *columns[factor]) for factor in self.factors
                }
                sheets[level] = found[:SHOWN].tolist()
        best = {
            factor: max(
                precision["val"],
                key=lambda level, f=factor: precision["val"][level][f].mean(),  # type: ignore[misc]
            )
            for factor in self.factors
        }
        protocol = trial.protocol(
            real=self.n, n=self.n, chosen_on=self.val, nearest=self.nearest, bins=BINS
        )
        test = precision["test"]
        values = [
            mean_value(
                f"retrieval_{factor}{count_name(self.n)}", test[best[factor]][factor], protocol
            )
            for factor in self.factors
        ]
        lines = {
            factor: {level: float(of_level[factor].mean()) for level, of_level in test.items()}
            for factor in self.factors
        }
        chance = {f: self._chance(parts["test"], *columns[f]) for f in self.factors}
        arrays: dict[str, Any] = {
            "levels/retrieval": lines, "levels/retrieval_best": best, "retrieval_chance": chance,
        }  # fmt: skip
        pictures = {
            "retrieval": curves(
                lines, f"share of the {self.nearest} nearest", "Retrieval by level",
                {f"chance of {factor}": share for factor, share in chance.items()},
            ),
            "retrieved": self._sheet(trial, sheets, best),
        }  # fmt: skip
        return Result(values, arrays, pictures)

    def _right(self, found: Array, seen: Seen, index: int, column: Column) -> Array:
        """Share of the nearest that are in the query's bin, [n]."""
        bins = binned(seen.truth["factors"][:, index], column)
        share: Array = (bins[found.astype(int)] == bins[:, None]).mean(axis=1)
        return share

    def _chance(self, seen: Seen, index: int, column: Column) -> float:
        bins = binned(seen.truth["factors"][:, index], column)
        return float(np.square(np.bincount(bins) / len(bins)).sum())

    def _sheet(self, trial: Trial, sheets: dict[str, list[int]], best: dict[str, str]) -> Tensor:
        """For each factor's level some queries, each before what it finds: [3,H,W]."""
        data = trial.references.real(self.n)
        rows = []
        for level in dict.fromkeys(best.values()):
            for query, found in enumerate(sheets[level]):
                rows.append(data.__getitems__([query, *found])["image"])  # type: ignore[misc]
        return image_grid(torch.cat(rows), self.nearest + 1)


def binned(values: Array, column: Column) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The bin of each value [n]."""
    match column.kind:
        case "continuous":
            return np.floor((values + 1) / 2 * BINS).clip(0, BINS - 1).astype(np.int64)
        case "circular":
            return np.floor(values % (2 * np.pi) / (2 * np.pi) * BINS).astype(np.int64)
    return values.astype(np.int64)


def nearest(rows: Array, known: Array, count: int) -> Array:
    """The numbers of the ``count`` rows that are nearest to each row [n,D] by cosine: [n,count].

    ``known`` [m,D] says how far each number is from its mean.
    """
    unit = torch.from_numpy((rows - known.mean(axis=0)) / (known.std(axis=0) + 1e-8)).float()
    unit = unit / unit.norm(dim=1, keepdim=True).clamp(min=1e-8)
    found = []
    for start in range(0, len(unit), AT_ONCE):
        alike = unit[start : start + AT_ONCE] @ unit.T
        own = torch.arange(len(alike))
        alike[own, own + start] = -2  # nobody finds himself
        found.append(alike.topk(count, dim=1).indices)
    return np.asarray(torch.cat(found))
