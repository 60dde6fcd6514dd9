"""Supervised networks: factors, landmarks and people of drawn faces, or classes of photographs.

The embedded judges are trained with these, and they serve as supervised baselines. Every term is
divided by its value for a network that knows nothing, so that 1 is ignorance and 0 is perfect.
"""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW, Optimizer

from ganfeat.errors import UserError
from ganfeat.features import ClassNet, FactorNet
from ganfeat.features.blocks import SIZE, Standard, gathered
from ganfeat.features.small import Column
from ganfeat.networks import Network
from ganfeat.processes import mean_over_processes
from ganfeat.ranges import LearningRate, NotNegative, Share
from ganfeat.training.augment import AugmentPipe
from ganfeat.training.ema import ema_decay, update_ema
from ganfeat.training.method import Batch, Losses, Method, Phase, Step

PARTS = 12  # classes in a mask
STILL = 0.9  # of a run, after which running means stand still
POINT_VARIANCE = 0.05  # of a landmark, in half sides
CONTINUOUS_VARIANCE = 1 / 3  # of a factor that is uniform in [-1, 1]


class Encoder(Method):
    """A network, trained with AdamW under a warm-up and a cosine to zero, and its moving average.

    A subclass says what is learnt from a batch. Where it needs more modules than the network, it
    appends them to `trained`.

    Args:
        network: what is trained.
        total_kimg: length of the run, which the learning rate follows.
        batch_size: images per iteration, over all processes.
        seed: seed of everything random.
        lr: highest learning rate.
        weight_decay: AdamW's.
        warmup_kimg: images in thousands over which the learning rate rises.
        ema_kimg: half-life of the average in thousands of images.
    """

    def __init__(
        self,
        network: Network,
        *,
        total_kimg: float,
        batch_size: int,
        seed: int,
        lr: float,
        weight_decay: float,
        warmup_kimg: float,
        ema_kimg: float,
    ) -> None:
        super().__init__(batch_size=batch_size, seed=seed)
        self.network, self.ema = network, copy.deepcopy(network).eval()
        self.trained = nn.ModuleList([network])
        self.lr, self.weight_decay = lr, weight_decay
        self.total_kimg, self.warmup_kimg, self.ema_kimg = total_kimg, warmup_kimg, ema_kimg

    def phases(self) -> list[Phase]:
        """One phase, ``main``."""
        return [Phase("main", "trained", self.loss)]

    def loss(self, step: Step) -> Losses:
        """What is learnt from a batch."""
        raise NotImplementedError

    def optimizer(self, parameters: list[nn.Parameter], ratio: float) -> Optimizer:
        """AdamW."""
        return AdamW(parameters, lr=self.lr, weight_decay=self.weight_decay, foreach=True)

    def schedule(self) -> float:
        """Warm-up, then half a cosine to 0 at the end of the run."""
        kimg = self.images_seen / 1000
        rise = min(1.0, (kimg + self.batch_size / 1000) / max(self.warmup_kimg, 1e-9))
        return rise * (1 + math.cos(math.pi * min(kimg / self.total_kimg, 1))) / 2

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """In the last tenth of the run the means that inputs are standardised with stand still.

        While the learning rate falls to nothing, features stop moving about, and what remains of
        their variance can be a small part of what it was. The weights could no longer follow, and
        their average would meet means that none of them was trained with.
        """
        kimg = self.trainer.global_step * self.batch_size / 1000
        for module in self.network.modules():
            if isinstance(module, Standard):
                module.follows = kimg < STILL * self.total_kimg

    def end_iteration(self) -> None:
        """Move the average; its half-life is at most a tenth of the images seen."""
        decay = ema_decay(self.batch_size, self.images_seen, self.ema_kimg, rampup=0.1)
        update_ema(self.ema, self.network, decay)

    def networks(self) -> dict[str, Network]:
        """``encoder`` and its average, ``encoder_ema``."""
        return {"encoder": self.network, "encoder_ema": self.ema}

    def artefact(self) -> Network:
        """The average."""
        return self.ema


class FactorRegression(Encoder):
    """Factors, landmarks and people of SynthFaces, from the truth that comes with each image.

    Args:
        network: a `FactorNet`.
        people: number of people in the data.
        identity_weight: of telling them apart; 0 leaves it out.
        landmark_weight: of the points, and of looking at them.
        part_weight: of naming the part of the face that each pixel shows.
        total_kimg, batch_size, seed, lr, weight_decay, warmup_kimg, ema_kimg: as in `Encoder`.
    """

    network: FactorNet

    def __init__(
        self,
        network: FactorNet,
        *,
        total_kimg: float,
        batch_size: int,
        seed: int,
        people: int | None = None,
        identity_weight: NotNegative = 0.1,
        landmark_weight: NotNegative = 0.3,
        part_weight: NotNegative = 1.0,
        lr: LearningRate = 2e-3,
        weight_decay: NotNegative = 0.02,
        warmup_kimg: NotNegative = 5.0,
        ema_kimg: NotNegative = 10.0,
    ) -> None:
        if people is None:
            raise UserError("factors can be learnt from drawn images only: choose data=synthfaces")
        super().__init__(
            network,
            total_kimg=total_kimg,
            batch_size=batch_size,
            seed=seed,
            lr=lr,
            weight_decay=weight_decay,
            warmup_kimg=warmup_kimg,
            ema_kimg=ema_kimg,
        )
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
        total_kimg, batch_size, seed, lr, weight_decay, warmup_kimg, ema_kimg: as in `Encoder`.
    """

    network: ClassNet

    def __init__(
        self,
        network: ClassNet,
        *,
        total_kimg: float,
        batch_size: int,
        seed: int,
        augment_p: Share = 0.5,
        label_smoothing: Share = 0.1,
        lr: LearningRate = 2e-3,
        weight_decay: NotNegative = 0.05,
        warmup_kimg: NotNegative = 5.0,
        ema_kimg: NotNegative = 20.0,
    ) -> None:
        super().__init__(
            network,
            total_kimg=total_kimg,
            batch_size=batch_size,
            seed=seed,
            lr=lr,
            weight_decay=weight_decay,
            warmup_kimg=warmup_kimg,
            ema_kimg=ema_kimg,
        )
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
