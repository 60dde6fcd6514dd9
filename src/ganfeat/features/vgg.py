"""VGG16 (Simonyan and Zisserman 2015), supervised on ImageNet, as a network with deep maps.

`VGG16` has torchvision's own weights, `OriginalVGG16` those of its authors, which make features of
another size. LPIPS in the same trunk, which measures, is `ganfeat.features.lpips`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models import VGG16_Weights, vgg16

from ganfeat.features.embedded import freeze
from ganfeat.features.files import Published, fill, find, read_state
from ganfeat.features.network import Features, Resize, resized, standardise
from ganfeat.features.resnet import MEAN, STD

BLOCK4_CONV3 = 21  # torchvision's number of that convolution
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
        self.model = trunk(VGG16_Weights.IMAGENET1K_V1.url, path, download)
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


class OriginalVGG16(Features):
    """The authors' weights, made with Caffe: the map after the third convolution of block four.

    Images of any size are taken as they are, in 0..255 minus a mean colour: features are some
    hundred times as large as torchvision's, and a loss weight for one is none for the other
    (methods/ghfeat.md, 2.2 and trap 20).

    Args:
        path: torchvision's file of these weights, or its folder; None looks into torch's cache.
        download: fetch it where it is absent.
        name: as metrics name it.
    """

    mean: Tensor

    def __init__(
        self, path: str | None = None, download: bool = False, name: str = "vgg16_original"
    ) -> None:
        super().__init__()
        self.config = OriginalVGG16.arguments(locals())
        self.name = name
        weights = VGG16_Weights.IMAGENET1K_FEATURES
        self.model = trunk(weights.url, path, download)[: BLOCK4_CONV3 + 2]
        mean = 255 * torch.tensor(weights.transforms().mean)  # red, green, blue
        self.register_buffer("mean", mean[:, None, None], persistent=False)
        freeze(self)

    def taps(self, images: Tensor) -> list[Tensor]:
        """One map of 512 channels after its ReLU, an eighth of the images' side."""
        found: Tensor = self.model((images + 1) * 127.5 - self.mean)
        return [found]

    def embed(self, images: Tensor) -> Tensor:
        """The map, averaged: [N,512]."""
        return self.taps(images)[0].mean(dim=[2, 3])


def trunk(url: str, path: str | None, download: bool) -> nn.Sequential:
    """The convolutions of VGG16 with the weights that torchvision publishes there.

    Raises:
        UserError: the file is absent, or another one.
    """
    file = find(Published(url.rpartition("/")[2], "torchvision", url), path, download)
    model: nn.Sequential = vgg16(weights=None).features
    state = read_state(file)
    names = {name: f"features.{name}" for name in model.state_dict()}
    fill(model, {k: state[v] for k, v in names.items() if v in state}, file)
    return model
