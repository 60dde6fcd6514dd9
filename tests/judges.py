"""Networks that judge images and whose verdicts can be computed by hand."""

import torch
from torch import Tensor

from ganfeat.features.network import Features

SIZE = 16  # px, of the images that they look at


class Pixels(Features):
    """Shows the images as they are."""

    name = "pixels"

    def __init__(self) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1), requires_grad=False)

    def embed(self, images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images, SIZE // 4).flatten(1)

    def taps(self, images: Tensor) -> list[Tensor]:
        return [images]

    def difference(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        return (a[0] - b[0]).square().sum(dim=[1, 2, 3])
