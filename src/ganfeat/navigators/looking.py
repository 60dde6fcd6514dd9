"""With what ContraFeat looks: a frozen network, and which of its maps."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.features.embedded import freeze
from ganfeat.navigators.finder import check_distinct


class Looking:
    """Maps of a network in which changes are contrasted.

    Args:
        network: is frozen.
        layers: which maps, 0 the finest; None for all.
        pooled: take their means, which have no places.
        side: of the images, in px.

    Raises:
        UserError: there are no such maps, they have no places to change at, or pass no gradient.
    """

    def __init__(
        self, network: Features, layers: Sequence[int] | None, pooled: bool, side: int
    ) -> None:
        self.network, self.pooled = freeze(network), pooled
        self.layers = self._checked(layers, side)

    @torch.no_grad()
    def _checked(self, layers: Sequence[int] | None, side: int) -> list[int]:
        network = self.network
        try:
            maps = network.taps(torch.zeros(1, 3, side, side))
        except (RuntimeError, ValueError) as error:  # such as a pooling with nothing left to pool
            raise UserError(
                f"{network.name} cannot look at images of {side} px ({error}): choose another "
                "network (features=)"
            ) from error
        chosen = list(range(len(maps)) if layers is None else layers)
        for layer in chosen:
            if not -len(maps) <= layer < len(maps):
                raise UserError(f"method.layers has {layer}: {network.name} has {len(maps)} maps")
        check_distinct([layer % len(maps) for layer in chosen], "layers")
        if not network.teaches(side):
            raise UserError(
                f"{network.name} passes no gradient from its maps to an image, so that edits "
                "cannot learn from it: choose another network (features=)"
            )
        small = [i for i in chosen if min(maps[i].shape[-2:]) == 1]
        if small and not self.pooled:
            raise UserError(
                f"map {small[0]} of {network.name} has one pixel at {side} px: where nothing has a "
                "place no change can be told from another; leave it out of method.layers, take a "
                "network for smaller images, or contrast means of maps (method.pooled=true)"
            )
        return chosen

    def maps(self, images: Tensor) -> list[Tensor]:
        """Maps [N,C,h,w] in full precision, or their means [N,C,1,1]."""
        maps = self.network.taps(images.float())
        found = [maps[layer].float() for layer in self.layers]
        return [x.mean(dim=(2, 3), keepdim=True) for x in found] if self.pooled else found
