"""VICReg (Bardes et al. 2022, arXiv:2105.04906): features without labels.

Two views of an image must agree (invariance), each number must vary over a batch (variance), and
no two may say the same (covariance).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.encoders.supervised import Encoder
from ganfeat.features import SmallNet
from ganfeat.processes import mean_over_processes
from ganfeat.ranges import Count, LearningRate, NotNegative, Share
from ganfeat.training.augment import AugmentPipe
from ganfeat.training.method import Losses, Step


class VICReg(Encoder):
    """Self-supervised training of a `SmallNet` on two augmented views of each image.

    The views differ in place, size and shape, in brightness, contrast and saturation, and in pixel
    noise. Not in hue, and they are neither mirrored nor turned: those are things to be told.

    Args:
        network: what is trained.
        width: of the projector's three layers, which are thrown away.
        invariance, variance, covariance: weights of the terms (section 4.2: 25, 25, 1).
        augment_p: probability of each augmentation.
        noise: standard deviation of the pixel noise.
        total_kimg, batch_size, seed, lr, weight_decay, warmup_kimg, ema_kimg: as in `Encoder`.
    """

    network: SmallNet

    def __init__(
        self,
        network: SmallNet,
        *,
        total_kimg: float,
        batch_size: int,
        seed: int,
        width: Count = 512,
        invariance: NotNegative = 25.0,
        variance: NotNegative = 25.0,
        covariance: NotNegative = 1.0,
        augment_p: Share = 0.8,
        noise: NotNegative = 0.05,
        lr: LearningRate = 2e-3,
        weight_decay: NotNegative = 1e-4,
        warmup_kimg: NotNegative = 10.0,
        ema_kimg: NotNegative = 10.0,
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
        sizes = (network.vector.out_features, width, width)
        parts: list[nn.Module] = []
        for size in sizes:
            parts += [nn.Linear(size, width), nn.LayerNorm(width), nn.ReLU()]
        self.projector = nn.Sequential(*parts[:-2])
        self.trained.append(self.projector)
        self.invariance, self.variance, self.covariance = invariance, variance, covariance
        self.augment_p, self.noise = augment_p, noise
        self.augment = AugmentPipe(
            xint=1, scale=1, aniso=1, xfrac=1, brightness=1, contrast=1, saturation=1
        )

    def loss(self, step: Step) -> Losses:
        """Equation 6, over both views."""
        views = torch.cat([self.view(step, name) for name in ("first", "second")])
        a, b = self.projector(F.relu(self.network.embed(views))).chunk(2)
        spread_a, repeats_a = statistics(a)
        spread_b, repeats_b = statistics(b)
        yield {
            "invariance": self.invariance * F.mse_loss(a, b),
            "variance": self.variance * (spread_a + spread_b) / 2,
            "covariance": self.covariance * (repeats_a + repeats_b),
        }

    def view(self, step: Step, name: str) -> Tensor:
        """One view of each image."""
        rng = step.draws.rng(f"augment {name}", device="cpu")
        draws = step.draws.share(self.augment.draw(step.draws.n, rng))
        images = self.augment(step.images, self.augment_p, draws)
        return images + self.noise * step.draws.randn(f"noise {name}", *images.shape[1:])


def statistics(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The variance and covariance terms of vectors [n,D] (equations 1 to 4), over all processes."""
    mean = mean_over_processes(vectors.mean(dim=0))
    centred = vectors - mean
    covariance = mean_over_processes(centred.T @ centred / len(vectors))
    deviation = (covariance.diagonal() + 1e-4).sqrt()
    repeats = covariance.square().sum() - covariance.diagonal().square().sum()
    return F.relu(1 - deviation).mean(), repeats / vectors.shape[1]
