"""AlexNet (Krizhevsky 2014), supervised on ImageNet, as ContraFeat looks at images.

LPIPS in the same trunk, which measures, is `ganfeat.features.lpips`.
"""

from torch import Tensor, nn
from torchvision.models import AlexNet_Weights, alexnet

from ganfeat.features.embedded import freeze
from ganfeat.features.files import Published, fill, find, read_state
from ganfeat.features.network import Features, resized, standardise
from ganfeat.features.resnet import MEAN, STD
from ganfeat.ranges import Count


class AlexNet(Features):
    """Maps after the five ReLUs, of 64, 192, 384, 256 and 256 channels.

    Images of 64 px give 15, 7, 3, 3 and 3 px, those of 32 px only two maps with places.

    Args:
        path: torchvision's file of weights, or its folder; None looks into torch's cache.
        download: fetch it where it is absent.
        name: as metrics name it.
        size: px to which images are brought first; None takes them as they are.
        normalise: bring colours to ImageNet's mean and deviation; ContraFeat's author does not.
    """

    def __init__(
        self,
        path: str | None = None,
        download: bool = False,
        name: str = "alexnet",
        size: Count | None = None,
        normalise: bool = False,
    ) -> None:
        super().__init__()
        self.config = AlexNet.arguments(locals())
        self.name, self.size, self.normalise = name, size, normalise
        self.resize = "none" if size is None else f"bilinear to {size}"
        self.settings = {"normalise": normalise}
        url = AlexNet_Weights.IMAGENET1K_V1.url
        file = find(Published(url.rpartition("/")[2], "torchvision", url), path, download)
        self.model: nn.Sequential = alexnet(weights=None).features[:-1]  # the last is a pooling
        state = read_state(file)
        names = {name: f"features.{name}" for name in self.model.state_dict()}
        fill(self.model, {k: state[v] for k, v in names.items() if v in state}, file)
        freeze(self)

    def taps(self, images: Tensor) -> list[Tensor]:
        """Five maps."""
        x = images if self.size is None else resized(images, self.size, "bilinear")
        if self.normalise:
            x = standardise(x, MEAN, STD)
        maps = []
        for layer in self.model:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                maps.append(x)
        return maps

    def embed(self, images: Tensor) -> Tensor:
        """The last map, averaged: [N,256]."""
        return self.taps(images)[-1].mean(dim=[2, 3])
