"""Codes of an image found by gradient descent, without an encoder: the reconstruction to beat.

W+ as in Image2StyleGAN (Abdal et al. 2019, arXiv:1904.03189): it takes hundreds of passes through
the generator for each image, and what it finds need not mean anything.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganfeat import backbone
from ganfeat.encoders.ghfeat import latents
from ganfeat.features import Rebuilder
from ganfeat.features.embedded import embedded
from ganfeat.features.network import stacked
from ganfeat.ranges import Count, LearningRate


class Optimised(Rebuilder):
    """Latents in W+ of each image, from the mean latent on by Adam.

    The loss is the mean squared error of pixels, and of the last but one map of a network, which
    weighs as much as the pixels at the start.

    Args:
        weights: holds the generator: a run, a checkpoint, a weights file, an official pickle,
            `EMBEDDED`.
        perceptual: a network of the package that looks with, None for none.
        steps: of Adam.
        lr: of Adam, which falls to 0 in half a cosine.
        name: as metrics name it.
    """

    def __init__(
        self,
        weights: str = "embedded",
        perceptual: str | None = "teacher",
        steps: Count = 200,
        lr: LearningRate = 0.1,
        name: str = "optimised",
    ) -> None:
        super().__init__()
        self.config = Optimised.arguments(locals())
        self.name, self.steps, self.lr = name, steps, lr
        self.settings = {"steps": steps, "lr": lr, "perceptual": perceptual}
        self.generator = backbone.load(weights).requires_grad_(False)
        self.resolution = self.generator.resolution
        self.looks = None if perceptual is None else embedded(perceptual)
        self.resolutions = {
            str(level): int(side) for level, side, _ in latents.layout(self.generator, "w+")
        }

    def taps(self, images: Tensor) -> list[Tensor]:
        """The generator's maps while it draws what was found, the finest first."""
        sides = self.generator.synthesis.resolutions
        _, maps = self.draw(self.encode(images), taps=sides)
        return [maps[side] for side in reversed(sides)]

    def embed(self, images: Tensor) -> Tensor:
        """All latents in one row."""
        return torch.cat([*self.encode(images).values()], dim=1)

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """Latents by level."""
        wanted = None if self.looks is None else self.looks.taps(images)[-2].detach()
        w = self.generator.w_avg.expand(len(images), self.generator.num_ws, -1)
        with torch.enable_grad():
            ws = w.clone().requires_grad_(True)
            optimizer = torch.optim.Adam([ws], lr=self.lr)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
            balance: Tensor | None = None
            for _ in range(self.steps):
                drawn = self.generator.synthesize(ws)
                loss = (drawn - images).square().mean(dim=[1, 2, 3])
                if self.looks is not None and wanted is not None:
                    seen = (self.looks.taps(drawn)[-2] - wanted).square().mean(dim=[1, 2, 3])
                    if balance is None:
                        balance = (loss / seen).detach()  # of each image by itself
                    loss = loss + balance * seen
                (ws.grad,) = torch.autograd.grad(loss.sum(), ws)
                optimizer.step()
                schedule.step()
        return {level: ws.detach()[:, i] for i, level in enumerate(self.resolutions)}

    def draw(self, levels: Mapping[str, Tensor], **options: Any) -> Any:
        """What the generator makes of latents, with its stored noise."""
        return latents.draw(self.generator, levels, **options)

    def per_pixel(self, images: Tensor) -> Tensor:
        """The generator's maps."""
        return stacked(self.taps(images), images.shape[-1])
