"""An autoencoder of the size of GH-Feat: the same encoder, and a generator that learns with it.

What GH-Feat has beyond it is that its generator knew the data before (methods/ghfeat.md, check L7).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ganfeat import backbone
from ganfeat.backbone import Generator
from ganfeat.encoders.encoder import Encoder
from ganfeat.encoders.ghfeat.latents import layout
from ganfeat.encoders.ghfeat.network import GHFeatNet
from ganfeat.errors import UserError
from ganfeat.features import Rebuilder
from ganfeat.features.network import stacked
from ganfeat.pictures import reconstructions
from ganfeat.ranges import Count, LearningRate, NotNegative
from ganfeat.training.ema import ema_decay, update_ema
from ganfeat.training.method import Losses, Step

SPREAD = 0.5  # of the styles around 1, at first


class AutoencoderNet(Rebuilder):
    """`GHFeatNet` and a generator of its own.

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
        super().__init__()
        self.config = AutoencoderNet.arguments(locals())
        self.name = name
        self.decoder = Generator(**generator)
        self.encoder = GHFeatNet(self.decoder.resolution, levels, depth, width, channels)
        self.encoder.mean.fill_(1.0)
        self.encoder.deviation.fill_(SPREAD)
        self.resolutions = self.encoder.resolutions

    def taps(self, images: Tensor) -> list[Tensor]:
        """The three maps of the encoder."""
        return self.encoder.taps(images)

    def embed(self, images: Tensor) -> Tensor:
        """All codes, [N,total]."""
        return self.encoder.embed(images)

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """Codes by level."""
        return self.encoder.encode(images)

    def draw(self, levels: Mapping[str, Tensor], **options: Any) -> Any:
        """What its generator makes of codes, with its stored noise."""
        codes = torch.cat([levels[level] for level in self.encoder.levels], dim=1)
        return self.decoder.synthesize(styles=self.encoder.styles(codes), **options)

    def per_pixel(self, images: Tensor) -> Tensor:
        """The generator's maps while it draws the images again."""
        sides = self.decoder.synthesis.resolutions
        _, maps = self.draw(self.encode(images), taps=sides)
        return stacked([maps[side] for side in sides], self.decoder.resolution)


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
        like = backbone.load(weights)
        if like.resolution != resolution:
            raise UserError(
                f"{weights} holds a generator of {like.resolution} px, and the data have "
                f"{resolution} px: set data.resolution={like.resolution}, or other weights"
            )
        network = AutoencoderNet(layout(like, "s"), like.config, depth, width, channels)
        super().__init__(
            network, total_kimg=total_kimg, batch_size=batch_size, seed=seed, lr=lr,
            weight_decay=weight_decay, warmup_kimg=warmup_kimg, ema_kimg=ema_kimg,
        )  # fmt: skip

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
