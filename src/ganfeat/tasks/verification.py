"""Are these two the same person: pairs of faces, judged by how alike their codes are.

The protocol of LFW (Huang et al. 2007): ten folds that share nobody, a threshold for each that is
best on the nine others. What else has to be chosen, the level, is chosen there too.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ganfeat.features import Rebuilder
from ganfeat.metrics.measure import Result
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import Value, mean_value
from ganfeat.ranges import Several
from ganfeat.tasks.linear import Array
from ganfeat.tasks.pages import curves
from ganfeat.tasks.task import EVERYTHING, Task, Trial

Bools = NDArray[np.bool_]
AT_ONCE = 64  # pairs


class Verification(Task):
    """``verification_<how>``: share of pairs that are told right.

    Two images are taken for the same person where the cosine of their codes is above a threshold.
    Each number of a code is standardised by what it is in ``train``. ``best`` goes by one level,
    ``vote`` by the majority of all levels, ``all`` by all codes in one row. The arrays have every
    level, and the levels of each resolution in one row (``verification_grouped``).

    Args:
        n: images of ``train`` that codes are standardised by.
    """

    def __init__(self, n: Several = 10_000) -> None:
        self.n = n

    def lacks(self, trial: Trial) -> str:
        """Data that can be asked for pairs of people."""
        has = hasattr(trial.references.data, "pairs")
        return super().lacks(trial) or ("" if has else "data with pairs of people")

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """Three accuracies; the arrays have all."""
        pairs = trial.references.data.pairs()
        alike, grouped = self._alike(trial, pairs)
        told = {
            level: cross_validated(found, pairs.same, pairs.folds) for level, found in alike.items()
        }
        single = {level: t for level, t in told.items() if level != EVERYTHING}
        right = {
            "best": best_of(single, pairs.same, pairs.folds),
            "vote": voted(single) == pairs.same,
            "all": told[EVERYTHING].said == pairs.same,
        }
        protocol = trial.protocol(
            standardised_by=trial.learnt_from(self.n), pairs=pairs.fingerprint(),
            folds=len({*pairs.folds.tolist()}),
        )  # fmt: skip
        values: list[Value] = [
            mean_value(f"verification_{how}", items.astype(float), protocol)
            for how, items in right.items()
        ]
        levels = {k: float((t.said == pairs.same).mean()) for k, t in single.items()}
        groups = {
            side: float((cross_validated(a, pairs.same, pairs.folds).said == pairs.same).mean())
            for side, a in grouped.items()
        }
        arrays: dict[str, Any] = {
            "levels/verification": levels,
            "verification_grouped": groups,
        }
        marks = {"chance": 0.5, "vote": float(right["vote"].mean())}
        picture = curves({"one level": levels}, "accuracy", "Same person or not", marks)
        return Result(values, arrays, {"verification": picture})

    def _alike(self, trial: Trial, pairs: Any) -> tuple[dict[str, Array], dict[str, Array]]:
        """The cosine of each pair [P] by level, and by resolution where levels have one."""
        known = trial.seen("train", self.n)
        scale = {
            level: (
                torch.from_numpy(x.mean(axis=0)).float(),
                torch.from_numpy(x.std(axis=0)).float(),
            )
            for level, x in known.levels.items()
        }
        sides: dict[str, list[str]] = {}
        if isinstance(trial.network, Rebuilder):
            for level, side in trial.network.resolutions.items():
                sides.setdefault(f"{side} px", []).append(level)
        rows = {level: [level] for level in known.levels} | {EVERYTHING: [*known.levels]} | sides
        device, ranks = trial.references.device, trial.references.ranks
        found = Rows(len(pairs.same), len(rows), what="a code").to(device)
        advance = trial.bar("pairs", len(pairs.same) // ranks)
        for start in range(trial.references.rank * AT_ONCE, len(pairs.same), ranks * AT_ONCE):
            numbers = torch.arange(start, min(start + AT_ONCE, len(pairs.same)))
            codes = [
                {
                    level: (x - scale[level][0].to(device)) / (scale[level][1].to(device) + 1e-8)
                    for level, x in trial.network.encode(images.to(device)).items()
                }
                for images in pairs.images(numbers)
            ]
            cosines = []
            for levels in rows.values():
                a, b = (torch.cat([one[level] for level in levels], dim=1) for one in codes)
                cosines.append(F.cosine_similarity(a, b))
            found.update(torch.stack(cosines, dim=1), numbers)
            advance(len(numbers))
        table = dict(zip(rows, found.numpy().T, strict=True))
        return {k: v for k, v in table.items() if k not in sides}, {k: table[k] for k in sides}


class Told:
    """What thresholds say of pairs.

    Attributes:
        said: of each pair [P], by the threshold of its fold.
        margins: how far above that it is, [P].
        elsewhere: the accuracy on the nine other folds, by fold.
    """

    def __init__(self, said: Bools, margins: Array, elsewhere: Mapping[int, float]) -> None:
        self.said, self.margins, self.elsewhere = said, margins, elsewhere


def cross_validated(alike: Array, same: Bools, folds: NDArray[np.int64]) -> Told:
    """For each fold the threshold that tells the pairs of all others apart best."""
    margins, elsewhere = np.empty_like(alike), dict[int, float]()
    for fold in sorted({*folds.tolist()}):
        others = folds != fold
        threshold, elsewhere[fold] = best_threshold(alike[others], same[others])
        margins[~others] = alike[~others] - threshold
    return Told(margins > 0, margins, elsewhere)


def best_threshold(alike: Array, same: Bools) -> tuple[float, float]:
    """The threshold above which pairs are the same most often rightly, and how often that is.

    It lies halfway between two pairs, or beyond all.
    """
    order = np.argsort(alike, kind="stable")
    sorted_alike, truth = alike[order], same[order]
    # With the threshold before pair i, all pairs from i on are called the same.
    right = np.concatenate([[0], np.cumsum(~truth)]) + np.concatenate(
        [np.cumsum(truth[::-1])[::-1], [0]]
    )
    between = np.concatenate([[True], np.diff(sorted_alike) > 0, [True]])
    best = int(np.argmax(np.where(between, right, -1)))
    ends = np.concatenate([[sorted_alike[0] - 1], sorted_alike, [sorted_alike[-1] + 1]])
    return float((ends[best] + ends[best + 1]) / 2), float(right[best] / len(same))


def best_of(told: Mapping[str, Told], same: Bools, folds: NDArray[np.int64]) -> Bools:
    """Whether each pair is told right by the level that is best on the other folds."""
    right = np.empty_like(same)
    for fold in {*folds.tolist()}:
        level = max(told, key=lambda name, f=fold: told[name].elsewhere[f])  # type: ignore[misc]
        inside = folds == fold
        right[inside] = told[level].said[inside] == same[inside]
    return right


def voted(told: Mapping[str, Told]) -> Bools:
    """What the majority says; where it is split, the sum of all margins."""
    votes = np.stack([2.0 * t.said - 1 for t in told.values()]).sum(axis=0)
    margins = np.stack([t.margins for t in told.values()]).sum(axis=0)
    decided: Bools = np.where(votes != 0, votes, margins) > 0
    return decided
