"""What a scorer says of images, as numbers whose differences mean something."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ganfeat.features import AttributeScorer, FactorNet
from ganfeat.metrics.als import scores_of
from ganfeat.metrics.rows import finite
from ganfeat.metrics.subject import Judge, Looks

AT_ONCE = 256  # images


class Attributes:
    """The attributes of a scorer that have more and less, and of a drawn image also its angles.

    Scores are raw (logits), so that they do not saturate. Categories have no direction and are left
    out, as is what means something in some images alone.

    Args:
        scorer: who says it.
    """

    def __init__(self, scorer: AttributeScorer) -> None:
        self.scorer = scorer
        self.plain = list(scorer.attributes)
        columns = scorer.columns if isinstance(scorer, FactorNet) else []
        self.angles = [c.name for c in columns if c.kind == "circular" and not c.needs]
        self.names = [*self.plain, *self.angles]

    def read(self, looks: Looks) -> Tensor:
        """[N,A], angles last.

        Raises:
            UserError: one of them is not finite.
        """
        if not isinstance(self.scorer, FactorNet):
            return scores_of(self.scorer, looks.images, self.plain)
        same = self.scorer is looks.judge.embedding
        vectors = looks.vectors if same else self.scorer.embed(looks.images)
        read, _ = self.scorer.read(vectors)
        scores = dict(zip([c.name for c in self.scorer.columns], read, strict=True))
        turned = [torch.atan2(scores[k][:, 1:], scores[k][:, :1]) for k in self.angles]
        found = torch.cat([*(scores[name] for name in self.plain), *turned], dim=1)
        return finite(found, "an attribute score")

    def read_many(self, images: Tensor, judge: Judge) -> Tensor:
        """Of several images of each sample [N,M,3,R,R], [N,M,A]."""
        parts = torch.split(images.flatten(0, 1), AT_ONCE)
        read = [self.read(Looks(some, torch.arange(len(some)), judge)) for some in parts]
        return torch.cat(read).view(*images.shape[:2], -1)

    def change(self, before: Tensor, after: Tensor) -> Tensor:
        """From one reading [...,A] to another; angles the short way round."""
        change = after - before
        turned = torch.remainder(change[..., len(self.plain) :] + torch.pi, 2 * torch.pi) - torch.pi
        return torch.cat([change[..., : len(self.plain)], turned], dim=-1)

    def spread(self, readings: Tensor) -> Tensor:
        """The usual deviation of readings [N,A] of random images, as far as angles have one: [A].

        It is that of the difference of two images over the root of 2.
        """
        return self.change(readings, readings.roll(1, dims=0)).square().mean(dim=0).div(2).sqrt()

    def places(self, names: Sequence[str]) -> list[int]:
        """Where those of ``names`` stand that are read."""
        return [self.names.index(name) for name in names if name in self.names]
