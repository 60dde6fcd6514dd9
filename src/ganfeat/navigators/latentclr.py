"""LatentCLR (Yuksel et al., ICCV 2021, arXiv:2104.00820): contrasts changes of G's own maps.

Formulae and constants are those of the released code; the paper divides by the temperature where
the code multiplies. It is not said how far a step goes in W: here that is in usual deviations.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from ganfeat.errors import UserError
from ganfeat.navigators.finder import Finder
from ganfeat.navigators.semantics import Semantics, begun
from ganfeat.ranges import Count, LearningRate, NotNegative, Positive, Several
from ganfeat.training.method import Losses, Phase, Step

Similarity = Literal["absolute", "signed"]
Average = Literal["mean", "sum"]

TEMPERATURE = 0.5  # similarities are multiplied by it
DROPS, DROP = (1000, 5000), 0.2  # updates after which the rate is multiplied by that


class LatentCLR(Finder):
    """One direction per edit, in all layers: the method's ``global`` directions.

    Every edit is applied to every start code. Changes by the same edit attract, those by different
    edits repel each other, in maps of the generator's first blocks.

    Args:
        semantics: edits K.
        directions: ``free``, or ``subspace`` seeks them in the span of W's first principal axes.
        subspace: how many axes; None where directions are free.
        blocks: how many of the generator's blocks are looked at, from 4 px on.
        step: length of an edit in usual deviations of w.
        similarity: ``absolute`` takes opposite changes for the same, as the released code does;
            ``signed`` does not.
        average: ``mean`` or ``sum`` over the pairs of the same and of different edits.
        lr, weight_decay: of Adam.
        given: as in `Finder`. A share of a batch is contrasted by itself.
    """

    navigator: Semantics

    def __init__(
        self,
        *,
        semantics: Several = 30,
        directions: Literal["free", "subspace"] = "free",
        subspace: Count | None = None,
        blocks: Count = 3,
        step: Positive = 3.0,
        similarity: Similarity = "absolute",
        average: Average = "mean",
        lr: LearningRate = 1e-3,
        weight_decay: NotNegative = 1e-3,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        there = len(self.generator.synthesis.resolutions)
        if blocks > there:
            raise UserError(
                f"method.blocks={blocks}: {self.weights} has {there} blocks; choose no more"
            )
        if (directions == "subspace") != (subspace is not None):
            raise UserError(
                "method.directions=subspace and method.subspace=N, how many axes, go together: "
                f"directions={directions}, subspace={'null' if subspace is None else subspace}"
            )
        self.blocks, self.step = blocks, step
        self.similarity, self.average = similarity, average
        self.lr, self.weight_decay = lr, weight_decay
        self.navigator = begun(self, semantics, directions, subspace, "uniform", "latentclr")

    def phases(self) -> list[Phase]:
        """One."""
        return [Phase("main", "navigator", self.loss)]

    def optimizer(self, parameters: list[nn.Parameter], ratio: float) -> Optimizer:
        """Adam with weight decay."""
        return Adam(parameters, lr=self.lr, weight_decay=self.weight_decay, foreach=True)

    def schedule(self) -> float:
        """Falls twice."""
        return DROP ** sum(self.iteration >= drop for drop in DROPS)

    def configure_optimizers(self) -> list[Optimizer]:
        """The optimisers, once it is known that an edit meets itself on another image."""
        parts = self.trainer.world_size * self.accumulate
        if self.batch_size < 2 * parts:
            raise UserError(
                f"LatentCLR compares images of a share: {self.batch_size} start codes in {parts} "
                "shares are too few; choose a larger batch_size, or less trainer.devices or "
                "trainer.accumulate"
            )
        return super().configure_optimizers()

    def loss(self, step: Step) -> Losses:
        """Contrast over all pairs."""
        g = self.generator
        ws = g.broadcast(self.random_w(step.draws, 1)[:, 0])
        moves = self.step * g.num_ws * g.w_dim**-0.5 * self.navigator.table()
        moved = ws[None] + moves[:, None]  # by direction first: [K,n,L,D]
        with torch.no_grad():
            before = g.maps(ws, self.blocks)
        after = g.maps(moved.flatten(0, 1), self.blocks)
        loss, right = contrast(
            divergences(before, after), len(moves), self.similarity, self.average
        )
        self.terms.add("accuracy", right)
        yield {"contrast": loss}

    def scalars(self) -> Mapping[str, float]:
        """How parallel directions are."""
        rows = F.normalize(self.navigator.directions(), dim=1)
        apart = ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
        return {"directions/cosine": float((rows @ rows.T).abs()[apart].mean())}


def divergences(before: Sequence[Tensor], after: Sequence[Tensor]) -> Tensor:
    """Directions in which maps change, [K*N,F].

    Both maps are brought to length 1 before the difference is taken, and it is again.

    Args:
        before: maps [N,C,h,w] of images.
        after: maps [K*N,C,h,w] of them edited, those of an edit together.
    """
    one, other = (
        F.normalize(torch.cat([x.flatten(1).float() for x in maps], dim=1), dim=1)
        for maps in (before, after)
    )
    return F.normalize(other - one.repeat(len(other) // len(one), 1), dim=1)


def contrast(
    changes: Tensor, count: int, similarity: Similarity, average: Average
) -> tuple[Tensor, Tensor]:
    """The loss, and the share of changes [K*N,F] more like others of their edit than like the rest.

    Minus the logarithm of the ratio of both exponentials (eq. 4), each averaged over its pairs.
    """
    alike = changes @ changes.T
    if similarity == "absolute":
        alike = alike.abs()
    grown = (TEMPERATURE * alike).exp()
    each = len(changes) // count
    edit = torch.arange(count, device=changes.device).repeat_interleave(each)
    same = edit[:, None] == edit[None]
    own = same & ~torch.eye(len(changes), dtype=torch.bool, device=changes.device)
    positive, negative = ((grown * which).sum(dim=1) for which in (own, ~same))
    if average == "mean":
        positive, negative = positive / own.sum(dim=1), negative / (~same).sum(dim=1)
    return -(positive / negative).log().mean(), (positive > negative).float().mean()
