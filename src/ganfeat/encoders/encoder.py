"""What every method shares that trains a network to look at images."""

import copy
import math

from torch import nn
from torch.optim import AdamW, Optimizer

from ganfeat.features.blocks import Standard
from ganfeat.networks import Network
from ganfeat.ranges import LearningRate, NotNegative
from ganfeat.training.ema import ema_decay, update_ema
from ganfeat.training.method import Batch, Losses, Method, Phase, Step

STILL = 0.9  # of a run, after which running means stand still


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
        lr: LearningRate = 2e-3,
        weight_decay: NotNegative = 0.02,
        warmup_kimg: NotNegative = 5.0,
        ema_kimg: NotNegative = 10.0,
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
