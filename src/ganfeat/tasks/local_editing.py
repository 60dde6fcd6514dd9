"""Faces changed at one place alone through their codes: another's mouth, and nothing else."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganfeat.features import Rebuilder
from ganfeat.metrics.measure import Result
from ganfeat.metrics.redraw import factors_of
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import Value, count_name
from ganfeat.pages import sheets
from ganfeat.ranges import Names, Several, Two
from ganfeat.tasks.mixing import moved
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import Trial, check_known

NOTHING = 1e-7  # a change of no pixel, but for rounding


class Mouth(NamedTuple):
    """What an exchange of mouths did at one resolution.

    Attributes:
        ratio: the mean change inside the box over that outside; None where there is none outside.
        moved: how far the factors of the mouth go to B's.
    """

    ratio: float | None
    moved: float


class LocalEditing(Task):
    """``local_edit<n>`` and ``local_edit_moved<n>_<judge>``: A's mouth with B's styles.

    In the layers of one resolution B's styles act inside a box around A's mouth, A's own outside.
    The first number is the mean change inside the box over that outside, n/a where nothing changes
    there. The second is how far the factors of the mouth move towards B's, as in
    `ganfeat.tasks.mixing`; the resolution is the one where that is furthest on ``val``. The arrays
    have all.

    Args:
        corners: the numbers of the landmarks at the corners of the mouth.
        factors: names of what a mouth does.
        n: pairs of ``test``.
        val: pairs of ``val``.
    """

    better = {"local_edit": "higher", "local_edit_moved": None}
    draws, reads, extras = True, True, ("landmarks",)

    def __init__(
        self,
        corners: Two = (5, 6),
        factors: Names = ("smile", "mouth_opening"),
        n: Several = 1000,
        val: Several = 300,
    ) -> None:
        self.corners, self.factors = list(corners), list(factors)
        self.n, self.val = n, val

    def lacks(self, trial: Trial) -> str:
        """Levels that can act at some places alone."""
        blends = isinstance(trial.network, Rebuilder) and trial.network.blends
        return super().lacks(trial) or ("" if blends else "an encoder whose levels act at places")

    def check(self, trial: Trial) -> None:
        """The factors must be there, the landmarks, and images for all pairs."""
        check_known(self.factors, trial.reader.columns, "local editing")
        trial.check_points(self.corners, "corners")
        for part, n in (("val", self.val), ("test", self.n)):
            trial.enough_pairs(part, n)

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """Two numbers, and a sheet: A, B, A drawn again, A with B's mouth at each resolution."""
        on_val, _ = self._changed(trial, "val", self.val)
        found, shown = self._changed(trial, "test", self.n)
        best = max(on_val, key=lambda side: on_val[side].moved)
        protocol = trial.protocol(
            trial.reader, real=2 * self.n, chosen_on=self.val, corners=self.corners,
            factors=self.factors,
        )  # fmt: skip
        end = count_name(self.n)
        numbers = {
            f"local_edit{end}": found[best].ratio,
            f"local_edit_moved{end}_{trial.reader.name}": found[best].moved,
        }
        values = [Value(name, x, n=self.n, protocol=protocol) for name, x in numbers.items()]
        arrays = {side: mouth._asdict() for side, mouth in found.items()}
        return Result(values, {"local_edit": arrays}, sheets("local_editing", shown))

    def _changed(
        self, trial: Trial, part: str, n: int
    ) -> tuple[dict[str, "Mouth"], dict[str, Tensor]]:
        """What edits of ``n`` pairs do at each resolution, and some of them, if there are any."""
        levels = trial.rebuilder.resolutions
        sides = sorted({*levels.values()})
        columns = trial.reader.columns
        mouth = [i for i, column in enumerate(columns) if column.name in self.factors]
        width = 2 * len(sides) + (2 + len(sides)) * len(mouth)
        rows = Rows(n, width, what="a change").to(trial.references.device)
        shown: dict[str, Tensor] = {}
        for numbers, one, other in trial.pairs(part, n, self.extras, f"mouths of {part}"):
            first, second = one["image"], other["image"]
            box = self._box(one["landmarks"], first)
            codes, theirs = (trial.network.encode(images) for images in (first, second))
            drawn = [trial.rebuilder.draw(x) for x in (codes, theirs)]
            for side in sides:
                exchanged = [level for level, at in levels.items() if at == side]
                drawn.append(trial.rebuilder.blend(codes, theirs, exchanged, box))
            own, target, *edited = (images.clamp(-1, 1) for images in drawn)
            changes = [(images - own).abs().mean(dim=1, keepdim=True) for images in edited]
            means = [
                (change * m).sum([1, 2, 3]) / m.sum([1, 2, 3])
                for change in changes
                for m in (box, 1 - box)
            ]
            read = [factors_of(trial.reader, x)[:, mouth] for x in (own, target, *edited)]
            rows.update(torch.cat([torch.stack(means, dim=1), *read], dim=1), numbers)
            if not shown:
                shown = {"A": first, "B": second, "A drawn again": own}
                names = [f"mouth at {side} px" for side in sides]
                shown |= dict(zip(names, edited, strict=True))
        means_of, tables = np.split(rows.numpy(), [2 * len(sides)], axis=1)
        before, wanted, *after = np.split(tables, 2 + len(sides), axis=1)
        found = {}
        for i, side in enumerate(sides):
            inside, outside = means_of[:, 2 * i : 2 * i + 2].mean(axis=0)
            moves = moved(before, wanted, after[i], [columns[k] for k in mouth])
            ratio = float(inside / outside) if outside > NOTHING else None
            found[f"{side} px"] = Mouth(ratio, float(np.mean([*moves.values()])))
        return found, shown

    def _box(self, points: Tensor, images: Tensor) -> Tensor:
        """A box around the mouth, [N,1,R,R]: 1.5 times as wide, as high as the mouth is wide."""
        left, right = (points[:, i] for i in self.corners)
        middle = (left + right) / 2
        width = (right - left).norm(dim=1).clamp(min=3)[:, None, None]
        at = torch.arange(images.shape[-1], device=images.device) + 0.5
        across = (at[None, None, :] - middle[:, 0, None, None]).abs() <= 0.75 * width
        along = (at[None, :, None] - middle[:, 1, None, None]).abs() <= 0.5 * width
        box: Tensor = (across & along)[:, None]
        return box.to(images.dtype)
