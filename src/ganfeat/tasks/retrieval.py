"""Images that a level finds alike."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.features import Rebuilder
from ganfeat.features.small import Column
from ganfeat.metrics.measure import Result
from ganfeat.metrics.reading import columns_of
from ganfeat.metrics.reference import spread
from ganfeat.metrics.value import count_name, mean_value
from ganfeat.pages import curves, sheet
from ganfeat.ranges import Count, Names, Several
from ganfeat.tasks.linear import Array, Standard
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import Codes, Seen, Trial, check_known

Indices = NDArray[np.int64]
BINS = 8  # of a continuous or circular factor
QUERIES = 4  # in a picture, of each level
AT_ONCE = 500  # queries


class Retrieval(Task):
    """``retrieval_<factor><n>``: share of the ten nearest images that have a query's factor.

    Images of ``test`` are compared by the cosine of one level, each of its numbers standardised by
    what it is in ``train``. A continuous or circular factor is the same where it falls into the
    same of eight equal bins. The level of each factor is chosen on ``val``; the arrays have all,
    and the octave of each one's best level (2 for 4 px) where levels act at some resolution.

    Args:
        factors: names of the factors; None for those that the data name.
        n: images of ``test``, each a query and all others what is looked through.
        val: images of ``val``.
        nearest: how many are looked at.
    """

    better = {"retrieval": "higher"}
    extras = ("factors",)

    def __init__(
        self,
        factors: Names | None = None,
        n: Several = 10_000,
        val: Several = 2000,
        nearest: Count = 10,
    ) -> None:
        self.factors, self.n, self.val, self.nearest = factors, n, val, nearest

    def lacks(self, trial: Trial) -> str:
        """Factors."""
        named = trial.asked("retrieved", self.factors)
        needs = "data that say what to look for (tasks.retrieval.factors=[NAME])"
        return super().lacks(trial) or ("" if named else needs)

    def check(self, trial: Trial) -> None:
        """The factors must exist, and there must be enough to look through."""
        names = trial.asked("retrieved", self.factors)
        check_known(names, columns_of(trial.references), "retrieval by")
        trial.enough("val", self.val, self.nearest + 1)
        trial.enough("test", self.n, self.nearest + 1)

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """A number for each factor, curves, and a sheet of what some queries find."""
        train = trial.seen("train", self.n)
        val, test = (trial.seen(part, n) for part, n in (("val", self.val), ("test", self.n)))
        on_val = self._precision(trial, val, self._found(val, train))
        found = self._found(test, train)
        on_test = self._precision(trial, test, found)
        best = {
            factor: max(levels, key=lambda level: levels[level].mean())
            for factor, levels in on_val.items()
        }
        protocol = trial.protocol(
            real=self.n,
            standardised_by=trial.learnt_from(self.n),
            chosen_on=self.val,
            nearest=self.nearest,
            bins=BINS,
        )
        end = count_name(len(test.truth["factors"]))
        values = [
            mean_value(f"retrieval_{factor}{end}", levels[best[factor]], protocol)
            for factor, levels in on_test.items()
        ]
        lines = {
            factor: {level: float(right.mean()) for level, right in levels.items()}
            for factor, levels in on_test.items()
        }
        chance = self._chance(trial, test)
        arrays: dict[str, Any] = {
            "levels/retrieval": lines, "levels/retrieval_best": best, "retrieval_chance": chance,
            "retrieval": {factor: lines[factor][level] for factor, level in best.items()},
        }  # fmt: skip
        if isinstance(trial.network, Rebuilder):
            sides = trial.rebuilder.resolutions
            arrays["retrieval_octaves"] = {f: float(np.log2(sides[x])) for f, x in best.items()}
        marks = {f"chance of {factor}": share for factor, share in chance.items()}
        what = f"share of the {self.nearest} nearest"
        pictures = {
            "retrieval": curves(lines, what, "Retrieval by level", marks),
            "retrieved": self._sheet(trial, found, best),
        }
        return Result(values, arrays, pictures)

    def _found(self, seen: Seen, train: Seen) -> dict[str, Indices]:
        """The nearest images of each, by level."""
        return {k: nearest(x, train.levels[k], self.nearest) for k, x in seen.levels.items()}

    def _bins(self, trial: Trial, seen: Seen) -> dict[str, Indices]:
        """The bin of each image [n] by factor."""
        table, columns = seen.truth["factors"], columns_of(trial.references)
        return {
            column.name: binned(values, column)
            for values, column in zip(table.T, columns, strict=True)
            if column.name in trial.asked("retrieved", self.factors)
        }

    def _precision(
        self, trial: Trial, seen: Seen, found: Mapping[str, Indices]
    ) -> dict[str, dict[str, Array]]:
        """Share of the nearest that are in an image's bin [n], by factor and level."""
        return {
            factor: {
                level: (bins[near] == bins[:, None]).mean(axis=1) for level, near in found.items()
            }
            for factor, bins in self._bins(trial, seen).items()
        }

    def _chance(self, trial: Trial, seen: Seen) -> dict[str, float]:
        """What a level that knows nothing would find."""
        return {
            factor: float(np.square(np.bincount(bins) / len(bins)).sum())
            for factor, bins in self._bins(trial, seen).items()
        }

    def _sheet(self, trial: Trial, found: Mapping[str, Indices], best: Mapping[str, str]) -> Tensor:
        """For each factor's level some images, each before what it finds."""
        data = trial.references.real(self.n)
        chosen = spread(len(data), self.n)
        groups = []
        for factor, level in best.items():
            numbers = [[i, *found[level][i].tolist()] for i in range(min(QUERIES, len(chosen)))]
            rows = [data.__getitems__([chosen[i] for i in row])["image"] for row in numbers]
            names = [factor, f"by {level}", *(f"query {i + 1}" for i in range(2, len(rows)))]
            groups.append(dict(zip(names, rows, strict=True)))
        return sheet(*groups)


def binned(values: Array, column: Column) -> Indices:
    """The bin of each value [n]."""
    match column.kind:
        case "continuous":
            return np.floor((values + 1) / 2 * BINS).clip(0, BINS - 1).astype(np.int64)
        case "circular":
            return np.floor(values % (2 * np.pi) / (2 * np.pi) * BINS).astype(np.int64)
    return values.astype(np.int64)


def nearest(rows: Codes, known: Codes, count: int) -> Indices:
    """The numbers of the ``count`` rows that are nearest to each row [n,D] by cosine: [n,count].

    ``known`` [m,D] says how far each number is from its mean.
    """
    unit = torch.from_numpy(Standard(known)(rows)).float()
    unit = unit / unit.norm(dim=1, keepdim=True).clamp(min=1e-8)
    found = []
    for start in range(0, len(unit), AT_ONCE):
        alike = unit[start : start + AT_ONCE] @ unit.T
        own = torch.arange(len(alike))
        alike[own, own + start] = -2  # nobody finds himself
        found.append(alike.topk(count, dim=1).indices)
    return np.asarray(torch.cat(found), np.int64)
