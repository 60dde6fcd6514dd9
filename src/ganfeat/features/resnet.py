"""ResNet-50 (He et al. 2016), supervised (torchvision) or with DINO's weights."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models import ResNet50_Weights, resnet50

from ganfeat.features.embedded import freeze
from ganfeat.features.files import Published, fill, find, read_state
from ganfeat.features.network import Features, Resize, resized, standardise

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ResNet50(Features):
    """Maps after each of the four stages and the pooled vector of 2,048 numbers.

    Args:
        path: a file of weights with torchvision's names, or its folder; None looks into torch's
            cache. DINO's ResNet-50 has the same names, without the last layer.
        download: fetch torchvision's where it is absent.
        name: as metrics name it.
        resize: how images come to 224 px.
        mean, std: per channel, of images in [0,1].
    """

    def __init__(
        self,
        path: str | None = None,
        download: bool = False,
        name: str = "resnet50",
        resize: Resize = "bicubic",
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
    ) -> None:
        super().__init__()
        self.config = ResNet50.arguments(locals())
        self.name, self.resize, self.rule = name, f"{resize} to 224", resize
        self.mean, self.std = tuple(mean), tuple(std)
        self.settings = {"mean": list(mean), "std": list(std)}
        url = ResNet50_Weights.IMAGENET1K_V1.url
        file = find(Published(url.rpartition("/")[2], "torchvision", url), path, download)
        self.model = resnet50(weights=None)
        self.model.fc = torch.nn.Identity()
        state = read_state(file)
        fill(self.model, {k: v for k, v in state.items() if not k.startswith("fc.")}, file)
        freeze(self)

    def taps(self, images: Tensor) -> list[Tensor]:
        """Four maps, of 56, 28, 14 and 7 px."""
        m = self.model
        x = standardise(resized(images, 224, self.rule), self.mean, self.std)
        x = m.maxpool(m.relu(m.bn1(m.conv1(x))))
        maps = []
        for stage in (m.layer1, m.layer2, m.layer3, m.layer4):
            x = stage(x)
            maps.append(x)
        return maps

    def embed(self, images: Tensor) -> Tensor:
        """The last map, averaged: [N,2048]."""
        return self.taps(images)[-1].mean(dim=[2, 3])
