"""Encoders whose codes are the image itself, so that what tasks should find is known."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.features import Rebuilder

SIDES = (4, 8, 16, 32)


class Laplacian(Rebuilder):
    """The image as a sum of four octaves, each a level; nothing is lost."""

    name = "laplacian"
    blends = True

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.config = {}
        self.resolutions = {f"b{side}": side for side in SIDES}

    def taps(self, images: Tensor) -> list[Tensor]:
        return [images]

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        below = torch.zeros_like(images)
        found = {}
        for side in SIDES:
            now = F.interpolate(F.adaptive_avg_pool2d(images, side), images.shape[-2:])
            found[f"b{side}"] = (now - below).flatten(1)
            below = now
        return found

    def draw(self, levels: Mapping[str, Tensor]) -> Tensor:
        whole = torch.stack([*levels.values()]).sum(dim=0)
        side = round((whole.shape[1] / 3) ** 0.5)
        return whole.view(-1, 3, side, side)

    def blend(
        self,
        own: Mapping[str, Tensor],
        other: Mapping[str, Tensor],
        levels: Collection[str],
        inside: Tensor,
    ) -> Tensor:
        mixed = {level: (other if level in levels else own)[level] for level in own}
        return torch.lerp(self.draw(own), self.draw(mixed), inside)
