"""What every network that looks at images can do, and how images are brought to its size."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ganfeat.errors import UserError
from ganfeat.networks import Network


class Features(Network):
    """A network that looks at images [N,3,R,R] in [-1,1], whatever R; it resizes them itself.

    Attributes:
        name: what stands in the name of a metric (``factornet``, ``inception``).
        resize: how images come to the network's size, for the record.
        settings: what else its output depends on, as plain data for the record.
        classes: how many it tells apart; 0 where it cannot `classify`.
    """

    name: str = "features"
    resize: str = "none"
    settings: Mapping[str, Any] = MappingProxyType({})
    classes: int = 0

    def taps(self, images: Tensor) -> list[Tensor]:
        """Maps [N,C,h,w], from the finest to the coarsest.

        Raises:
            UserError: it has none.
        """
        raise UserError(f"{self.name} gives no maps: it cannot say how different two images look")

    def teaches(self, side: int) -> bool:
        """Whether its maps of an image of ``side`` px pass a gradient back to the image."""
        with torch.enable_grad():
            image = torch.zeros(1, 3, side, side, requires_grad=True)
            return all(found.requires_grad for found in self.taps(image))

    def embed(self, images: Tensor) -> Tensor:
        """One vector per image, [N,D] float32."""
        raise NotImplementedError

    def look(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Vectors and maps at once; none where it gives no maps."""
        return self.embed(images), self.taps(images) if self.has_maps else []

    @property
    def has_maps(self) -> bool:
        """Whether it gives any."""
        return type(self).taps is not Features.taps

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """What it says of images level by level, coarse to fine: [N,D] each.

        Unless a network knows better: its vector, then the means of its maps, the deepest first:
        ``map<side>``, and ``map<side>_1`` and so on where several have one size.
        """
        vector, maps = self.look(images)
        found, maps = {"vector": vector}, maps[::-1]
        sides = [each.shape[-1] for each in maps]
        for i, (side, each) in enumerate(zip(sides, maps, strict=True)):
            number = f"_{sides[: i + 1].count(side)}" if sides.count(side) > 1 else ""
            found[f"map{side}{number}"] = each.mean(dim=[2, 3])
        return found

    def per_pixel(self, images: Tensor) -> Tensor:
        """What it says of every pixel, [N,C,R,R]: hyper-columns (Hariharan et al. 2015).

        Unless a network knows better, these are its maps.
        """
        return stacked(self.taps(images), images.shape[-1])

    @torch.no_grad()
    def width(self, side: int, device: torch.device | str) -> int:
        """Numbers D in a vector of images of this side, seen in an empty one."""
        return self.embed(torch.zeros(1, 3, side, side, device=device)).shape[1]

    def classify(self, vectors: Tensor) -> Tensor:
        """Logits [N,classes] from the vectors [N,D] of images."""
        raise NotImplementedError

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Perceptual distance of each image of ``a`` to that of ``b``: [N]."""
        n = a.shape[0]
        maps = self.taps(torch.cat([a, b]))
        return self.difference([m[:n] for m in maps], [m[n:] for m in maps])

    def difference(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """The same from the `taps` of the images."""
        return torch.stack([unit_difference(*pair) for pair in zip(a, b, strict=True)]).sum(dim=0)


class Rebuilder(Features):
    """Features from which the image can be drawn again.

    Attributes:
        resolutions: the px at which each level acts.
        blends: whether levels can act at some places alone, as `blend` has them.
        taught_by: the hash of the generator that taught it, whose `samples` there are.
    """

    resolutions: dict[str, int]
    blends: bool = False
    taught_by: str = ""

    def draw(self, levels: Mapping[str, Tensor]) -> Tensor:
        """The images [N,3,R,R] that levels, as `encode` gives them, stand for; not clamped."""
        raise NotImplementedError

    def rebuild(self, images: Tensor) -> Tensor:
        """Images drawn again from what it says of them."""
        return self.draw(self.encode(images))

    def blend(
        self,
        own: Mapping[str, Tensor],
        other: Mapping[str, Tensor],
        levels: Collection[str],
        inside: Tensor,
    ) -> Tensor:
        """What ``own`` stands for, with these levels of ``other`` at some places.

        Args:
            own, other: levels as `encode` gives them.
            levels: names of those that are taken from ``other``.
            inside: where, [N,1,R,R] from 0 to 1.

        Raises:
            UserError: its levels act everywhere.
        """
        raise UserError(f"{self.name} draws whole images: its levels cannot act at some places")

    def samples(self, n: int, seed: int) -> Tensor:
        """Images [n,3,R,R] of the generator that taught it.

        Raises:
            UserError: none did.
        """
        raise UserError(f"{self.name} was taught by no generator: it has no samples")


class AttributeScorer(Features):
    """Features that also score attributes of an image (smiling, pose, ...).

    Attributes:
        attributes: names of those that one number describes.
    """

    attributes: list[str]

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        """Raw scores (no sigmoid) by name, [N,1] each for those in `attributes`."""
        raise NotImplementedError


def stacked(maps: Sequence[Tensor], side: int) -> Tensor:
    """Maps [N,C,h,w] of any sizes as one of ``side`` px, [N,sum of C,side,side]."""
    size = (side, side)
    grown = [F.interpolate(x.float(), size, mode="bilinear", align_corners=False) for x in maps]
    return torch.cat(grown, dim=1)


def unit_difference(a: Tensor, b: Tensor, weights: Tensor | None = None) -> Tensor:
    """One layer of LPIPS (Zhang et al. 2018, arXiv:1801.03924, equation 1): [N].

    Maps [N,C,h,w] are scaled to unit length at each position; squared differences, times
    ``weights`` [C] where given, are summed over channels and averaged over positions.
    """
    difference = _unit(a).sub_(_unit(b)).square()
    if weights is not None:
        difference = difference * weights[:, None, None]
    return difference.sum(dim=1).mean(dim=[1, 2])


def _unit(maps: Tensor) -> Tensor:
    return maps / (maps.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


def area(images: Tensor, size: int, name: str) -> Tensor:
    """Images [N,C,R,R] averaged down to ``size``, of which R must be a multiple.

    Raises:
        UserError: they are smaller, or no multiple; ``name`` says which network asked.
    """
    height, width = images.shape[-2:]
    if height == width == size:
        return images
    if height != width or height % size:
        raise UserError(
            f"{name} looks at {size} px and averages larger squares down to it: images of "
            f"{height}x{width} px do not fit"
        )
    return F.avg_pool2d(images, height // size)


Resize = Literal["area", "bilinear", "bicubic"]


def resized(images: Tensor, size: int, rule: Resize) -> Tensor:
    """Images [N,3,R,R] to ``size``; the last two rules filter where they shrink."""
    if rule == "area":
        return F.interpolate(images, (size, size), mode="area")
    return F.interpolate(images, (size, size), mode=rule, align_corners=False, antialias=True)


def to_uint8(images: Tensor) -> Tensor:
    """[-1,1] to 0..255, as the published metrics do it: x * 127.5 + 128, clamped, cut off."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def standardise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Images in [-1,1] to [0,1], minus ``mean`` and divided by ``std`` per channel."""
    scale = 0.5 / torch.tensor(std, device=images.device)
    shift = (0.5 - torch.tensor(mean, device=images.device)) / torch.tensor(
        std, device=images.device
    )
    return images * scale[:, None, None] + shift[:, None, None]


def paired(taps: Sequence[int], layers: Sequence[int] | None) -> dict[int, int]:
    """Each of a generator's taps, coarse to fine, with a network's map: 0 the finest, -1 the last.

    Args:
        taps: resolutions.
        layers: the map of each; None pairs the coarsest tap with the deepest map, the next with
            the one before that, and so on.

    Raises:
        UserError: no taps, one twice, or another number of maps.
    """
    if not taps or len({*taps}) < len(taps):
        raise UserError(f"taps={list(taps)}: give one resolution or more, each once")
    if layers is None:
        return {tap: -1 - i for i, tap in enumerate(sorted(taps))}
    if len(layers) != len(taps):
        raise UserError(f"layers={list(layers)}: each of the taps {list(taps)} needs a map")
    return dict(sorted(zip(taps, layers, strict=True)))


def across_channels(maps: Tensor) -> Tensor:
    """Maps [N,C,h,w] with mean 0 and deviation 1 over the channels of each position."""
    return F.layer_norm(maps.movedim(1, -1), maps.shape[1:2]).movedim(-1, 1)
