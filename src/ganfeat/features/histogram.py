"""How often each colour is in an image: what any network must beat."""

import torch
from torch import Tensor

from ganfeat.features.network import Features
from ganfeat.ranges import Count


class ColourHistogram(Features):
    """How often each colour is in an image, wherever it is.

    Args:
        bins: of each of the three channels.
        name: as metrics name it.
    """

    places: Tensor

    def __init__(self, bins: Count = 8, name: str = "histogram") -> None:
        super().__init__()
        self.config = ColourHistogram.arguments(locals())
        self.bins, self.name = bins, name
        places = torch.tensor([bins**2, bins, 1.0])
        self.register_buffer("places", places, persistent=False)

    def embed(self, images: Tensor) -> Tensor:
        """Shares of the pixels, [N,bins^3]."""
        bins = ((images.clamp(-1, 1) + 1) / 2 * self.bins).floor().clamp(max=self.bins - 1)
        number = (bins * self.places[:, None, None]).sum(dim=1).long().flatten(1)
        found = torch.zeros(len(images), self.bins**3, device=images.device)
        share = torch.full(number.shape, 1 / number.shape[1], device=images.device)
        return found.scatter_add_(1, number, share)

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """One level."""
        return {"colours": self.embed(images)}
