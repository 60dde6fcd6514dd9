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
FACES = ("factors", "landmarks", "visible", "identity", "mask")  # what is to be known of images
ROOMS = ("factors", "layout", "mask")
POINT_VARIANCE = 0.05  # of a landmark, in half sides
CONTINUOUS_VARIANCE = 1 / 3  # of a factor that is uniform in [-1, 1]


class FactorRegression(Encoder):
    """Factors, points and people of drawn images, from the truth that comes with each image.

    Points are the landmarks of faces or the corners of rooms; people there are in faces alone.

    Args:
        network: a `FactorNet`.
        people: number of people in the data, None where there are none.
        identity_weight: of telling them apart; 0 leaves it out.
        landmark_weight: of the points, and of looking at them.
        part_weight: of naming the part that each pixel shows.
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
        super().__init__(network, **rest)
        self.people = nn.Linear(network.free, people) if people else None
        self.parts = Parts(network.channels, PARTS)
        self.trained.extend([*([self.people] if self.people else []), self.parts])
        self.identity_weight, self.landmark_weight = identity_weight, landmark_weight
        self.part_weight = part_weight

    def loss(self, step: Step) -> Losses:
        """Mean over factors, points, the person, and the parts."""
        batch = step.batch
        needed = FACES if self.people is not None else ROOMS
        if missing := [name for name in needed if name not in batch]:
            raise UserError(
                f"the data give no {', '.join(missing)}, which drawn images know (data=synthfaces, "
                f"synthrooms): set data.extras=[{','.join(needed)}]"
            )
        maps = self.network.taps(step.images)
        vectors, places = self.network.read_maps(step.images, maps)
        scores, points = self.network.read(vectors)
        losses = {"factors": self.factors_loss(scores, batch["factors"])}
        losses |= self.points_losses(points, places, batch)
        if self.people is not None:
            person = F.cross_entropy(
                self.people(vectors[:, -self.network.free :]), batch["identity"]
            )
            losses["identity"] = self.identity_weight * person / math.log(self.people.out_features)
        losses["parts"] = self.part_weight * parts_loss(self.parts(maps), batch["mask"])
        yield losses

    def factors_loss(self, scores: list[Tensor], table: Tensor) -> Tensor:
        """The mean over factors, of each over the images in which it means something."""
        columns = self.network.columns
        names = [column.name for column in columns]
        losses = []
        for score, truth, column in zip(scores, table.unbind(1), columns, strict=True):
            weight = table[:, names.index(column.needs)] if column.needs else None
            losses.append(factor_loss(score, truth, column, weight))
            self.terms.add(f"factor/{column.name}", losses[-1])
        return torch.stack(losses).mean()

    def points_losses(
        self, points: Tensor, places: Tensor, batch: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Where the points [N,P,3] and the first ``places`` [N,K,2] are, and which can be seen."""
        half = batch["image"].shape[-1] / 2
        truth = batch["landmarks" if "landmarks" in batch else "layout"] / half - 1
        inside = (truth.abs() <= 1).all(dim=2)
        visible = batch.get("visible", inside).float()
        misses = F.binary_cross_entropy_with_logits(points[..., 2], visible) / math.log(2)
        found = torch.stack([points[..., :2], places[:, : points.shape[1]]])
        errors = (found - truth).square().mean(dim=[0, 3]) * visible
        seen = mean_over_processes(visible.sum()).clamp(min=1)
        return {
            "points": self.landmark_weight * errors.sum() / seen / POINT_VARIANCE,
            "visible": self.landmark_weight * misses,
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


def factor_loss(
    scores: Tensor, truth: Tensor, column: Column, weight: Tensor | None = None
) -> Tensor:
    """Loss of one factor from raw scores [N,width] and true values [N], each image weighed."""
    match column.kind:
        case "continuous":
            losses = (scores[:, 0] - truth).square() / CONTINUOUS_VARIANCE
        case "binary":
            losses = F.binary_cross_entropy_with_logits(scores[:, 0], truth, reduction="none")
            losses = losses / math.log(2)
        case "circular":
            target = torch.stack([truth.cos(), truth.sin()], dim=1)
            losses = 2 * (scores - target).square().mean(dim=1)
        case _:
            losses = F.cross_entropy(scores, truth.long(), reduction="none")
            losses = losses / math.log(column.classes)
    if weight is None:
        return losses.mean()
    return (losses * weight).sum() / mean_over_processes(weight.sum()).clamp(min=1)


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
