"""Supervised networks: factors, landmarks and people of drawn faces, or classes of photographs.

The embedded judges are trained with these, and they serve as supervised baselines. Every term is
divided by its value for a network that knows nothing, so that 1 is ignorance and 0 is perfect.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.encoders.encoder import Encoder
from ganfeat.errors import UserError
from ganfeat.features import ClassNet, FactorNet
from ganfeat.features.blocks import SIZE, gathered
from ganfeat.features.small import Column
from ganfeat.processes import mean_over_processes
from ganfeat.ranges import NotNegative, Share
from ganfeat.training.augment import AugmentPipe
from ganfeat.training.method import Losses, Step

PARTS = 12  # classes in a mask
POINT_VARIANCE = 0.05  # of a landmark, in half sides
CONTINUOUS_VARIANCE = 1 / 3  # of a factor that is uniform in [-1, 1]


class FactorRegression(Encoder):
    """Factors, landmarks and people of SynthFaces, from the truth that comes with each image.

    Args:
        network: a `FactorNet`.
        people: number of people in the data.
        identity_weight: of telling them apart; 0 leaves it out.
        landmark_weight: of the points, and of looking at them.
        part_weight: of naming the part of the face that each pixel shows.
        rest: all else of `Encoder`.
    """

    network: FactorNet

    def __init__(
        self,
        network: FactorNet,
        *,
        people: int | None = None,
        identity_weight: NotNegative = 0.1,
        landmark_weight: NotNegative = 0.3,
        part_weight: NotNegative = 1.0,
        **rest: Any,
    ) -> None:
        if people is None:
            raise UserError("factors can be learnt from drawn images only: choose data=synthfaces")
        super().__init__(network, **rest)
        self.people = nn.Linear(network.free, people)
        self.parts = Parts(network.channels, PARTS)
        self.trained.extend([self.people, self.parts])
        self.identity_weight, self.landmark_weight = identity_weight, landmark_weight
        self.part_weight = part_weight

    def loss(self, step: Step) -> Losses:
        """Mean over factors, points, the person, and the parts."""
        batch = step.batch
        if missing := {"factors", "landmarks", "visible", "identity", "mask"} - batch.keys():
            raise UserError(
                f"the data give no {', '.join(sorted(missing))}: set "
                "data.extras=[factors,landmarks,visible,identity,mask]"
            )
        maps = self.network.taps(step.images)
        vectors, places = self.network.read_maps(step.images, maps)
        scores, points = self.network.read(vectors)
        columns = self.network.columns
        per_factor = [
            factor_loss(score, truth, column)
            for score, truth, column in zip(
                scores, batch["factors"].unbind(1), columns, strict=True
            )
        ]
        for column, loss in zip(columns, per_factor, strict=True):
            self.terms.add(f"factor/{column.name}", loss)
        truth = batch["landmarks"] * (2 / step.images.shape[-1]) - 1
        visible = batch["visible"].float()
        misses = F.binary_cross_entropy_with_logits(points[..., 2], visible) / math.log(2)
        found = torch.stack([points[..., :2], places[:, : points.shape[1]]])
        errors = (found - truth).square().mean(dim=[0, 3]) * visible
        seen = mean_over_processes(visible.sum()).clamp(min=1)
        person = F.cross_entropy(self.people(vectors[:, -self.network.free :]), batch["identity"])
        yield {
            "factors": torch.stack(per_factor).mean(),
            "points": self.landmark_weight * errors.sum() / seen / POINT_VARIANCE,
            "visible": self.landmark_weight * misses,
            "identity": self.identity_weight * person / math.log(self.people.out_features),
            "parts": self.part_weight * parts_loss(self.parts(maps), batch["mask"]),
        }


class Parts(nn.Module):
    """Names the part of the face at each pixel, from all maps.

    Factors that act by the contrast of a few pixels, of either sign, are hard to find for a network
    that does not know where brows and ears are.
    """

    def __init__(self, channels: Sequence[int], parts: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(channels[0], parts, 1)
        self.coarse = nn.Conv2d(sum(channels[1:]), 4 * parts, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Four maps to logits [N,parts,32,32]."""
        logits: Tensor = self.fine(maps[0])
        return logits + F.pixel_shuffle(self.coarse(gathered(maps[1:])), 2)


def parts_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Loss of the parts in masks [N,R,R], each part of a batch counting the same."""
    truth = truth[:, :: truth.shape[1] // SIZE, :: truth.shape[2] // SIZE].long()
    counts = mean_over_processes(truth.flatten().bincount(minlength=logits.shape[1]).float())
    weight = (counts > 0) / counts.clamp(min=1e-9)
    total = F.cross_entropy(logits, truth, weight=weight, reduction="sum")
    return total / (counts > 0).sum() / math.log(logits.shape[1])


def factor_loss(scores: Tensor, truth: Tensor, column: Column) -> Tensor:
    """Loss of one factor from raw scores [N,width] and true values [N]."""
    match column.kind:
        case "continuous":
            return F.mse_loss(scores[:, 0], truth) / CONTINUOUS_VARIANCE
        case "binary":
            return F.binary_cross_entropy_with_logits(scores[:, 0], truth) / math.log(2)
        case "circular":
            return 2 * F.mse_loss(scores, torch.stack([truth.cos(), truth.sin()], dim=1))
    return F.cross_entropy(scores, truth.long()) / math.log(column.classes)


class Classification(Encoder):
    """Classes of photographs, from images that are mirrored, moved and recoloured.

    Args:
        network: a `ClassNet`.
        augment_p: probability of each augmentation.
        label_smoothing: share of the target that is spread over all classes.
        weight_decay, ema_kimg, rest: as in `Encoder`.
    """

    network: ClassNet

    def __init__(
        self,
        network: ClassNet,
        *,
        augment_p: Share = 0.5,
        label_smoothing: Share = 0.1,
        weight_decay: NotNegative = 0.05,
        ema_kimg: NotNegative = 20.0,
        **rest: Any,
    ) -> None:
        super().__init__(network, weight_decay=weight_decay, ema_kimg=ema_kimg, **rest)
        self.augment_p, self.label_smoothing = augment_p, label_smoothing
        self.augment = AugmentPipe(xflip=1, xint=1, scale=1, brightness=1, contrast=1, saturation=1)

    def loss(self, step: Step) -> Losses:
        """Cross-entropy; its value for ignorance is 1."""
        if step.label is None:
            raise UserError("there are no classes to learn: set data.labels=true")
        rng = step.draws.rng("augment", device="cpu")
        draws = step.draws.share(self.augment.draw(step.draws.n, rng))
        images = self.augment(step.images, self.augment_p, draws)
        logits = self.network.classify(self.network.embed(images))
        classes = step.label.argmax(dim=1)
        self.terms.add("accuracy", (logits.argmax(dim=1) == classes).float())
        loss = F.cross_entropy(logits, classes, label_smoothing=self.label_smoothing)
        yield {"classes": loss / math.log(logits.shape[1])}
