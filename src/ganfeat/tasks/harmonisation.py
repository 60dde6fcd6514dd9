"""A part of one image pasted into another: drawn again, it should fit."""

import numpy as np
import torch
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.metrics.measure import Result
from ganfeat.metrics.reading import factor_scores
from ganfeat.metrics.redraw import factors_of
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import Value, count_name, ratio_value
from ganfeat.pages import sheets
from ganfeat.ranges import Names, Several, Share
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import Trial, check_known

CAST = (0.35, 0.0, -0.35)  # added to red, green and blue


class Harmonisation(Task):
    """``harmonised_border<n>``, ``harmonised_<what><n>_<judge>``: B's middle in A, with a cast.

    The pasted image is read and drawn again, once, without a mask. The first number is how much of
    the border's step is gone: the mean difference across the edge of the patch, beyond what it is
    there in A, before; and after, beyond what it is in A drawn again (methods/ghfeat.md, trap 33).
    The others are how well the judge still sees in the result what B has on: balanced accuracy.
    The arrays have the same of two that bound it (``harmonised_seen``): the pasted image, which is
    not drawn again, and B drawn again, which nothing was done to.

    Args:
        n: pairs of ``test``.
        size: side of the patch, as a share of the image's.
        seen: names of binary factors; None for those that the data name.
    """

    better = {"harmonised": "higher"}
    draws, reads, extras = True, True, ("factors",)

    def __init__(
        self,
        n: Several = 1000,
        size: Share = 0.75,
        seen: Names | None = None,
    ) -> None:
        self.n, self.size, self.seen = n, size, seen

    def check(self, trial: Trial) -> None:
        """What is looked for must be a factor, and there must be images for all pairs."""
        names = trial.asked("pasted", self.seen)
        check_known(names, trial.reader.columns, "harmonisation sees", "binary")
        trial.enough_pairs("test", self.n)
        low, high = self._edges(side := trial.references.data.resolution)
        if high <= low:
            raise UserError(
                f"size={self.size} of {side} px is nothing to paste: choose a larger one"
            )

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """The share of the step that is gone, and what is recognised."""
        columns = trial.reader.columns
        names = [column.name for column in columns]
        wanted = trial.asked("pasted", self.seen)
        needed = [columns[names.index(name)].needs for name in wanted]  # to know where it counts
        chosen = [names.index(name) for name in dict.fromkeys([*wanted, *filter(None, needed)])]
        rows = Rows(self.n, 4 + 4 * len(chosen), what="a step").to(trial.references.device)
        shown: dict[str, Tensor] = {}
        for numbers, one, other in trial.pairs("test", self.n, self.extras, "pasted"):
            first, second, truth = one["image"], other["image"], other["factors"]
            pasted = self.paste(first, second)
            own, drawn = trial.rebuilt(first), trial.rebuilt(pasted)
            steps = [self.step(images) for images in (pasted, first, drawn, own)]
            ways = (drawn, pasted, trial.rebuilt(second))
            tables = [truth, *(factors_of(trial.reader, images) for images in ways)]
            said = [table[:, chosen] for table in tables]
            rows.update(torch.cat([torch.stack(steps, dim=1), *said], dim=1), numbers)
            if not shown:
                shown = {"A": first, "B": second, "B pasted": pasted, "drawn": drawn}
        found = rows.numpy()
        before, bare, after, bare_after = found[:, :4].T
        worn, *said_of = np.split(found[:, 4:], 4, axis=1)
        worth = [columns[i] for i in chosen]
        drawn_again, pasted_alone, own_again = (
            {name: (1 + scores[name]) / 2 for name in wanted}
            for scores in (factor_scores(said, worn, worth) for said in said_of)
        )
        protocol = trial.protocol(trial.reader, real=2 * self.n, size=self.size, cast=list(CAST))
        step = before - bare
        gone = step - (after - bare_after)
        end = count_name(self.n)
        values = [ratio_value(f"harmonised_border{end}", gone, step, protocol)]
        by_judge = f"{end}_{trial.reader.name}"
        values += [
            Value(f"harmonised_{name}{by_judge}", accuracy, n=self.n, protocol=protocol)
            for name, accuracy in drawn_again.items()
        ]
        arrays = {"harmonised_seen": {"pasted": pasted_alone, "B drawn again": own_again}}
        return Result(values, arrays, sheets("harmonisation", shown))

    def _edges(self, side: int) -> tuple[int, int]:
        margin = max(1, round((1 - self.size) / 2 * side))
        return margin, side - margin

    def paste(self, base: Tensor, patch: Tensor) -> Tensor:
        """The middle of ``patch`` [N,3,R,R], with the cast, in ``base``."""
        low, high = self._edges(base.shape[-1])
        cast = torch.tensor(CAST, device=base.device)[:, None, None]
        out = base.clone()
        out[..., low:high, low:high] = (patch[..., low:high, low:high] + cast).clamp(-1, 1)
        return out

    def step(self, images: Tensor) -> Tensor:
        """The mean absolute difference of neighbours across the edge of the patch, [N]."""
        low, high = self._edges(images.shape[-1])
        inner = slice(low, high)
        pairs = [
            (images[..., inner, low - 1], images[..., inner, low]),
            (images[..., inner, high], images[..., inner, high - 1]),
            (images[..., low - 1, inner], images[..., low, inner]),
            (images[..., high, inner], images[..., high - 1, inner]),
        ]
        return torch.stack([(a - b).abs().mean(dim=[1, 2]) for a, b in pairs]).mean(dim=0)
