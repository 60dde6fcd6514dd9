"""Are these two the same person: pairs of faces, judged by how alike their codes are.

The protocol of LFW (Huang et al. 2007): ten folds that share nobody, a threshold for each that is
best on the nine others. The level is chosen on pairs of ``val``: of other people where faces are
drawn, of LFW's view 1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ganfeat.errors import UserError
from ganfeat.features import Rebuilder
from ganfeat.metrics.measure import Result
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import mean_value
from ganfeat.pages import curves
from ganfeat.ranges import Several
from ganfeat.tasks.linear import Array, Standard
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import EVERYTHING, Trial

Bools = NDArray[np.bool_]
AT_ONCE = 64  # pairs


class Verification(Task):
    """``verification_<how>``: share of pairs that are told right.

    Two images are taken for the same person where the cosine of their codes is above a threshold.
    Each number of a code is standardised by what it is in ``train``. ``best`` goes by one level,
    the one that tells pairs of ``val`` apart best, ``vote`` by the majority of all levels, ``all``
    by all codes in one row. The arrays have every level, and the levels of each resolution in one
    row (``verification_grouped``). Intervals are over what pairs share: the two people whose
    pictures they are, of published pairs the fold.

    Args:
        n: images of ``train`` that codes are standardised by.
    """

    better = {"verification": "higher"}

    def __init__(self, n: Several = 10_000) -> None:
        self.n = n

    def lacks(self, trial: Trial) -> str:
        """Data that can be asked for pairs of people."""
        has = hasattr(trial.references.data, "pairs")
        return super().lacks(trial) or ("" if has else "data with pairs of people")

    def check(self, trial: Trial) -> None:
        """A threshold is tried on another fold than it comes from."""
        trial.enough("train", self.n, 2)
        if (folds := len({*trial.references.data.pairs("test").folds.tolist()})) < 2:
            raise UserError(f"the pairs of test are {folds} fold: expected ten, or two at least")

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """Three accuracies; the arrays have all."""
        chosen_on, pairs = (trial.references.data.pairs(part) for part in ("val", "test"))
        on_val, _ = self._alike(trial, chosen_on)
        alike, grouped = self._alike(trial, pairs)
        margins = {
            level: cross_validated(found, pairs.same, pairs.folds)
            for level, found in (alike | grouped).items()
        }
        right = {level: (margin > 0) == pairs.same for level, margin in margins.items()}
        single = [level for level in alike if level != EVERYTHING]
        best = max(single, key=lambda level: best_threshold(on_val[level], chosen_on.same)[1])
        told = {
            "best": right[best],
            "vote": voted([margins[level] for level in single]) == pairs.same,
            "all": right[EVERYTHING],
        }
        protocol = trial.protocol(
            standardised_by=trial.learnt_from(self.n), pairs=pairs.fingerprint(),
            chosen_on=chosen_on.fingerprint(), folds=len({*pairs.folds.tolist()}),
        )  # fmt: skip
        values = [
            mean_value(f"verification_{how}", items.astype(float), protocol, pairs.groups)
            for how, items in told.items()
        ]
        levels = {level: float(right[level].mean()) for level in single}
        arrays: dict[str, Any] = {
            "levels/verification": levels,
            "levels/verification_best": best,
            "verification_grouped": {side: float(right[side].mean()) for side in grouped},
        }
        marks = {"chance": 0.5, "vote": float(told["vote"].mean())}
        picture = curves({"one level": levels}, "accuracy", "Same person or not", marks)
        return Result(values, arrays, {"verification": picture})

    def _alike(self, trial: Trial, pairs: Any) -> tuple[dict[str, Array], dict[str, Array]]:
        """The cosine of each pair [P] by level, and by resolution where levels have one."""
        known = trial.seen("train", self.n)
        standard = {level: Standard(x) for level, x in known.levels.items()}
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
                    level: torch.from_numpy(standard[level](x.cpu().numpy())).to(device)
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


def cross_validated(alike: Array, same: Bools, folds: NDArray[np.int64]) -> Array:
    """How far each pair [P] is above the threshold that tells the pairs of other folds apart best.

    Above 0 it is taken for one person.
    """
    margins = np.empty_like(alike)
    for fold in {*folds.tolist()}:
        others = folds != fold
        threshold, _ = best_threshold(alike[others], same[others])
        margins[~others] = alike[~others] - threshold
    return margins


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


def voted(margins: Sequence[Array]) -> Bools:
    """What the majority says of each pair; where it is split, the sum of all margins."""
    votes = np.stack([np.sign(margin) for margin in margins]).sum(axis=0)
    decided: Bools = np.where(votes != 0, votes, np.stack(margins).sum(axis=0)) > 0
    return decided
