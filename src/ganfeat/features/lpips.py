"""LPIPS (Zhang et al. 2018, arXiv:1801.03924) in VGG16 or AlexNet, through the lpips package."""

import warnings
from typing import Literal

import torch
from torch import Tensor
from torchvision.models import AlexNet_Weights, VGG16_Weights

from ganfeat.features.embedded import freeze
from ganfeat.features.files import Published, fill, find, read_state
from ganfeat.features.network import Features, unit_difference

_SOURCES = {"vgg16": VGG16_Weights.IMAGENET1K_V1, "alexnet": AlexNet_Weights.IMAGENET1K_V1}
_NAMES = {"vgg16": "vgg", "alexnet": "alex"}


class LPIPS(Features):
    """Maps of five layers and the learned perceptual distance, at the images' own size.

    Args:
        network: the trunk. PPL is published with vgg16.
        path: torchvision's file of weights, or its folder; None looks into torch's cache.
        download: fetch it where it is absent.
    """

    def __init__(
        self,
        network: Literal["vgg16", "alexnet"] = "vgg16",
        path: str | None = None,
        download: bool = False,
    ) -> None:
        super().__init__()
        import lpips

        self.config = LPIPS.arguments(locals())
        self.name = network
        url = _SOURCES[network].url
        file = find(Published(url.rpartition("/")[2], "torchvision", url), path, download)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lpips calls torchvision in words of its youth
            self.model = lpips.LPIPS(net=_NAMES[network], pnet_rand=True, verbose=False)
        trunk = self.model.net
        state = read_state(file)
        names = [name for name in trunk.state_dict() if not name.startswith("N_slices")]
        # slice2.5.weight there is features.5.weight in torchvision
        fill(trunk, {name: state[f"features.{name.partition('.')[2]}"] for name in names}, file)
        freeze(self)

    def taps(self, images: Tensor) -> list[Tensor]:
        """After the last ReLU before each pooling layer (VGG16), or each ReLU (AlexNet)."""
        return list(self.model.net(self.model.scaling_layer(images)))

    def embed(self, images: Tensor) -> Tensor:
        """The coarsest map, averaged over positions."""
        return self.taps(images)[-1].mean(dim=[2, 3])

    def difference(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """LPIPS of each pair, from their maps: [N]."""
        weights = [lin.model[-1].weight.flatten() for lin in self.model.lins]
        layers = zip(a, b, weights, strict=True)
        return torch.stack([unit_difference(*layer) for layer in layers]).sum(dim=0)
