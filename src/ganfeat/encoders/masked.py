"""Masked images (He et al. 2022, arXiv:2111.06377; convolutional as in 2301.00808 and 2301.03580).

Patches are hidden, and what is seen around them must tell what they hold: no labels.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.encoders.encoder import Encoder
from ganfeat.errors import UserError
from ganfeat.features import SmallNet
from ganfeat.features.blocks import SIZE, conv, gathered
from ganfeat.features.network import area
from ganfeat.ranges import Count, NotNegative, Share
from ganfeat.training.method import Losses, Step

PATCH = 4  # pixels; a position of the 8 px map


class MaskedImages(Encoder):
    """Self-supervised training of a `SmallNet` on what hidden patches of an image hold.

    A small decoder, thrown away later, says it from the 8 px and 4 px maps and from the vector. Of
    each patch it says what differs from its mean colour, in units of its contrast, so that a mouth
    counts as much as a hat. Patches that can be seen count too: their details must not be lost.

    Args:
        network: what is trained.
        hidden: share of the patches that are hidden.
        seen_weight: of a patch that can be seen, beside a hidden one.
        contrast: in [-1,1], added to a patch's own, so that grain does not count as content.
        width: of the decoder.
        rest: all else of `Encoder`.
    """

    network: SmallNet

    def __init__(
        self,
        network: SmallNet,
        *,
        hidden: Share = 0.5,
        seen_weight: NotNegative = 0.3,
        contrast: NotNegative = 0.1,
        width: Count = 128,
        **rest: Any,
    ) -> None:
        if not 0 < hidden < 1:
            raise UserError(f"method.hidden={hidden}: some patches must be hidden, and some seen")
        super().__init__(network, **rest)
        channels = sum(network.channels[2:])
        self.from_vector = nn.Linear(network.vector.out_features, width)
        self.from_maps = conv(channels, width)
        self.decoder = nn.Sequential(
            nn.ReLU(), conv(width, width), nn.ReLU(), nn.Conv2d(width, 3 * PATCH**2, 1)
        )
        self.trained.extend([self.from_vector, self.from_maps, self.decoder])
        self.hidden, self.seen_weight, self.contrast = hidden, seen_weight, contrast

    def loss(self, step: Step) -> Losses:
        """Squared errors of the patches' contents, hidden and seen."""
        images = area(step.images, SIZE, self.network.name)
        side = SIZE // PATCH
        rng = step.draws.rng("mask")
        order = torch.rand(step.draws.n, side**2, generator=rng, device=images.device).argsort()
        hidden = (step.draws.share(order.argsort()) < self.hidden * side**2).view(-1, 1, side, side)
        shown = images * ~F.interpolate(hidden.float(), scale_factor=PATCH).bool()
        maps = self.network.taps(shown)
        vector, _ = self.network.read_maps(shown, maps)
        whole = self.from_vector(F.relu(vector))[..., None, None]
        said = self.decoder(self.from_maps(gathered(maps[2:])) + whole)
        errors = (said - contents(images, self.contrast)).square().mean(dim=1)
        hidden = hidden[:, 0]
        yield {
            "hidden": errors[hidden].mean(),
            "seen": self.seen_weight * errors[~hidden].mean(),
        }


def contents(images: Tensor, contrast: float) -> Tensor:
    """Patches of images [N,3,R,R] as [N,48,R/4,R/4]: minus their mean colour, by their contrast."""
    n, _, side, _ = images.shape
    patches = F.pixel_unshuffle(images, PATCH).view(n, 3, PATCH**2, side // PATCH, side // PATCH)
    patches = patches - patches.mean(dim=2, keepdim=True)
    own = patches.square().mean(dim=[1, 2], keepdim=True).sqrt()
    found: Tensor = (patches / (own + contrast)).flatten(1, 2)
    return found
