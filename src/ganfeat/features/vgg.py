"""VGG16 (Simonyan and Zisserman 2015), supervised on ImageNet, as a network with deep maps.

LPIPS in the same trunk, which measures, is `ganfeat.features.lpips`.
"""

from collections.abc import Sequence

from torch import Tensor
from torchvision.models import VGG16_Weights, vgg16

from ganfeat.features.embedded import freeze
from ganfeat.features.files import Published, fill, find, read_state
from ganfeat.features.network import Features, Resize, resized, standardise
from ganfeat.features.resnet import MEAN, STD

POOLED = (9, 16, 23, 30)  # torchvision's numbers of the second to the fifth pooling layer


class VGG16(Features):
    """Maps after the last four pooling layers, of 128, 256, 512 and 512 channels.

    Args:
        path: torchvision's file of weights, or its folder; None looks into torch's cache.
        download: fetch it where it is absent.
        name: as metrics name it.
        resize: how images come to 224 px.
        mean, std: per channel, of images in [0,1].
    """

    def __init__(
        self,
        path: str | None = None,
        download: bool = False,
        name: str = "vgg16_pooled",
        resize: Resize = "bicubic",
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
    ) -> None:
        super().__init__()
        self.config = VGG16.arguments(locals())
        self.name, self.resize, self.rule = name, f"{resize} to 224", resize
        self.mean, self.std = tuple(mean), tuple(std)
        self.settings = {"mean": list(mean), "std": list(std)}
        url = VGG16_Weights.IMAGENET1K_V1.url
        file = find(Published(url.rpartition("/")[2], "torchvision", url), path, download)
        self.model = vgg16(weights=None).features
        state = read_state(file)
        names = {name: f"features.{name}" for name in self.model.state_dict()}
        fill(self.model, {k: state[v] for k, v in names.items() if v in state}, file)
        freeze(self)

    def taps(self, images: Tensor) -> list[Tensor]:
        """Four maps, of 56, 28, 14 and 7 px."""
        x = standardise(resized(images, 224, self.rule), self.mean, self.std)
        maps = []
        for number, layer in enumerate(self.model):
            x = layer(x)
            if number in POOLED:
                maps.append(x)
        return maps

    def embed(self, images: Tensor) -> Tensor:
        """The last map, averaged: [N,512]."""
        return self.taps(images)[-1].mean(dim=[2, 3])
