"""An autoencoder of the size of GH-Feat: the same encoder, and a generator that learns with it.

What GH-Feat has beyond it is a generator that knew the data before, that generator's teacher and
discriminator as further losses, and styles (methods/ghfeat.md, check L7).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganfeat import backbone
from ganfeat.backbone import Generator
from ganfeat.encoders.encoder import Encoder
from ganfeat.encoders.ghfeat.latents import layout
from ganfeat.encoders.ghfeat.network import GHFeatNet
from ganfeat.encoders.ghfeat.resnet import check_batch
from ganfeat.errors import UserError
from ganfeat.pictures import reconstructions
from ganfeat.ranges import Count, LearningRate, NotNegative
from ganfeat.training.ema import ema_decay, update_ema
from ganfeat.training.method import Losses, Step

SPREAD = 0.5  # of the styles around 1, at first


class AutoencoderNet(GHFeatNet):
    """`GHFeatNet` and a generator of its own, whose styles begin around 1.

    Args:
        levels: as in `GHFeatNet`.
        generator: the arguments of the `Generator`.
        depth, width, channels: as in `GHFeatNet`.
        name: as metrics name it.
    """

    def __init__(
        self,
        levels: Sequence[Sequence[str | int]],
        generator: Mapping[str, Any],
        depth: int = 50,
        width: Count = 64,
        channels: Count = 512,
        name: str = "autoencoder",
    ) -> None:
        config = AutoencoderNet.arguments(locals())
        decoder = Generator(**generator)
        super().__init__(decoder.resolution, levels, depth, width, channels, name=name)
        self.config, self.decoder = config, decoder
        self.mean.fill_(1.0)
        self.deviation.fill_(SPREAD)

    @property
    def generator(self) -> Generator:
        """Its own."""
        return self.decoder

    def find_generator(self, weights: str) -> None:
        """There is nothing to find."""
        raise UserError(f"{self.name} draws with a generator of its own: leave out generator=")


class Autoencoder(Encoder):
    """Trains both halves by the mean squared error of pixels.

    Args:
        weights: holds the generator whose architecture is taken, without its weights.
        resolution: of the data.
        depth, width, channels: of the network.
        total_kimg, batch_size, seed, lr, weight_decay, warmup_kimg, ema_kimg: as in `Encoder`.
    """

    network: AutoencoderNet

    def __init__(
        self,
        *,
        weights: str,
        resolution: int,
        total_kimg: float,
        batch_size: int,
        seed: int,
        depth: int = 50,
        width: Count = 64,
        channels: Count = 512,
        lr: LearningRate = 2e-3,
        weight_decay: NotNegative = 0.0,
        warmup_kimg: NotNegative = 1.0,
        ema_kimg: NotNegative = 10.0,
    ) -> None:
        like = backbone.load_for(weights, resolution)
        network = AutoencoderNet(layout(like, "s"), like.config, depth, width, channels)
        super().__init__(
            network, total_kimg=total_kimg, batch_size=batch_size, seed=seed, lr=lr,
            weight_decay=weight_decay, warmup_kimg=warmup_kimg, ema_kimg=ema_kimg,
        )  # fmt: skip

    def configure_optimizers(self) -> list[Optimizer]:
        """The optimiser, once it is known that batch norm has something to normalise by."""
        check_batch(self.batch_size // self.accumulate)
        return super().configure_optimizers()

    def loss(self, step: Step) -> Losses:
        """One term."""
        yield {"pixel": (self.network.rebuild(step.images) - step.images).square().mean()}

    def end_iteration(self) -> None:
        """Move the average, running statistics included."""
        decay = ema_decay(self.batch_size, self.images_seen, self.ema_kimg, rampup=0.1)
        update_ema(self.ema, self.network, decay, buffers=True)

    @torch.no_grad()
    def pictures(self) -> Mapping[str, Tensor]:
        """Images of the validation split above what they become."""
        data, ema = self.trainer.datamodule.dataset, self.ema  # type: ignore[attr-defined]
        assert isinstance(ema, AutoencoderNet)
        return {"reconstructions": reconstructions(ema, data, self.device)}
