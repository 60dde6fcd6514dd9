"""The encoder of GH-Feat: a residual network, a pyramid, an alignment and heads.

What the heads say are styles of a generator, level by level, as far from their mean as they usually
are: ``style = mean + deviation * code``. The codes are the features. With the styles the generator
draws the image again, and nothing else trains the encoder (methods/ghfeat.md, sections 1 and 3).
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.backbone import BuiltOn
from ganfeat.backbone.sampling import inputs
from ganfeat.encoders.ghfeat import latents
from ganfeat.encoders.ghfeat.resnet import BatchNorm, ResNet
from ganfeat.errors import UserError
from ganfeat.features import Rebuilder
from ganfeat.features.network import stacked
from ganfeat.ranges import Count

GRID = 4  # px: the size to which every map is averaged
DEEP, MIDDLE = 8, 32  # px: the finest level of the deepest map, and of the middle one
INIT = 0.02
DRAWN = 64  # samples at once


class Pyramid(nn.Module):
    """Feature pyramid (Lin et al. 2017) over three maps, without norms and activations.

    Args:
        channels: of the maps, the finest first.
        out: channels of all that come out.
    """

    def __init__(self, channels: Sequence[int], out: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, out, 3, padding=1) for c in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(out, out, 3, padding=1) for _ in channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of any sizes, the finest first, to maps of the same sizes."""
        found = [conv(x) for conv, x in zip(self.lateral, maps, strict=True)]
        for i in reversed(range(len(found) - 1)):
            found[i] = found[i] + F.interpolate(found[i + 1], found[i].shape[-2:])
        return [conv(x) for conv, x in zip(self.smooth, found, strict=True)]


class Alignment(nn.Module):
    """Spatial alignment (SAM): every map on one grid, the deepest one added to the others.

    Styles have no places, so all levels are flattened from the same 4x4 grid.
    """

    def __init__(self, count: int, channels: int, out: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, out, 3, padding=1) for _ in range(count))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of any sizes, the finest first, to [N,out,4,4] each."""
        found = [conv(x) for conv, x in zip(self.convs, on_grid(maps), strict=True)]
        return [*(x + found[-1] for x in found[:-1]), found[-1]]


def on_grid(maps: Sequence[Tensor]) -> list[Tensor]:
    """Maps averaged to 4x4."""
    return [F.adaptive_avg_pool2d(x, GRID) for x in maps]


def head(channels: int, size: int) -> nn.Module:
    """A map [N,channels,4,4] to numbers [N,size]: one layer, and a batch norm that comes last."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * GRID**2, size), BatchNorm(size))


class GHFeatNet(Rebuilder, BuiltOn):
    """Codes of a generator's styles, read from an image.

    The 4 and 8 px levels come from the deepest map, those of 16 and 32 px from the middle one and
    finer ones from the finest, of which an image of 32 px or less has one each. There is no norm
    and no activation between the residual network and the heads' batch norm, which comes last.

    Args:
        resolution: of the images and of the generator.
        levels: what is said, coarse to fine: name, resolution and number of styles of each.
        depth: of the residual network: 18, 34, 50 or 101.
        width: its channels; 64 is the usual size.
        channels: of pyramid and alignment.
        align: whether there is an alignment; without it maps are averaged to 4x4.
        weights: where the generator is.
        generator_hash: of its weights and noise images.
        name: as metrics name it.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        resolution: int,
        levels: Sequence[Sequence[str | int]],
        depth: int = 50,
        width: Count = 64,
        channels: Count = 512,
        align: bool = True,
        weights: str = "",
        generator_hash: str = "",
        name: str = "ghfeat",
    ) -> None:
        super().__init__()
        self.config = GHFeatNet.arguments(locals())
        self.resolution, self.name = resolution, name
        self.weights, self.taught_by = weights, generator_hash
        self.levels = {str(level): int(size) for level, _, size in levels}
        self.resolutions = {str(level): int(side) for level, side, _ in levels}
        self.blends = not {"w", "w0"} & self.levels.keys()  # latents are no layer's alone
        self.backbone = ResNet(resolution, depth, width)
        self.pyramid = Pyramid(self.backbone.channels, channels)
        self.align = Alignment(len(self.backbone.channels), channels, channels) if align else None
        self.map_of = [map_for(self.resolutions[level], resolution) for level in self.levels]
        self.heads = nn.ModuleDict(
            {
                str(i): head(channels, size)
                for i in range(len(self.backbone.channels))
                if (size := sum(self._sizes(i)))
            }
        )
        total = sum(self.levels.values())
        self.register_buffer("mean", torch.zeros(total))
        self.register_buffer("deviation", torch.ones(total))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, std=INIT)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _sizes(self, index: int) -> list[int]:
        """Widths of the levels that a map's head says."""
        sizes = zip(self.levels.values(), self.map_of, strict=True)
        return [size for size, of in sizes if of == index]

    def taps(self, images: Tensor) -> list[Tensor]:
        """The three maps of the residual network.

        Raises:
            UserError: the images are not of the size that it was made for.
        """
        if images.shape[-2:] != (self.resolution, self.resolution):
            height, width = images.shape[-2:]
            raise UserError(
                f"{self.name} was made for a generator of {self.resolution}x{self.resolution} px: "
                f"images of {height}x{width} px do not fit"
            )
        found: list[Tensor] = self.backbone(images)
        return found

    def codes(self, images: Tensor) -> Tensor:
        """All codes in one row, coarse to fine: [N,total], mean 0 and deviation 1 or so."""
        maps = self.pyramid(self.taps(images))
        aligned = on_grid(maps) if self.align is None else self.align(maps)
        said = {
            int(i): iter(torch.split(says(aligned[int(i)]), self._sizes(int(i)), dim=1))
            for i, says in self.heads.items()
        }
        return torch.cat([next(said[i]) for i in self.map_of], dim=1)

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """Codes by level, coarse to fine: [N,its width] each, neither tiled nor padded."""
        return self.by_level(self.codes(images))

    def by_level(self, rows: Tensor) -> dict[str, Tensor]:
        """Rows [N,total] cut into levels."""
        return dict(
            zip(self.levels, torch.split(rows, [*self.levels.values()], dim=1), strict=True)
        )

    def styles(self, codes: Tensor) -> dict[str, Tensor]:
        """The styles that codes [N,total] stand for, by level."""
        return self.by_level(self.mean + self.deviation * codes)

    def embed(self, images: Tensor) -> Tensor:
        """All codes, [N,total]."""
        return self.codes(images)

    def draw(self, levels: Mapping[str, Tensor], **options: Any) -> Any:
        """What the generator makes of codes by level, with its stored noise.

        ``options`` are those of `Generator.synthesize`, such as ``taps``.
        """
        codes = torch.cat([levels[level] for level in self.levels], dim=1)
        return latents.draw(self.generator, self.styles(codes), **options)

    def per_pixel(self, images: Tensor) -> Tensor:
        """The generator's maps while it draws the images again: GH-Feat spread out in space."""
        sides = self.generator.synthesis.resolutions
        _, maps = self.draw(self.encode(images), taps=sides)
        return stacked([maps[side] for side in sides], self.resolution)

    def blend(
        self,
        own: Mapping[str, Tensor],
        other: Mapping[str, Tensor],
        levels: Collection[str],
        inside: Tensor,
    ) -> Tensor:
        """The styles of ``other`` act in these layers inside the mask, those of ``own`` outside."""
        styles = self.styles(torch.cat([other[level] for level in self.levels], dim=1))
        layers = {name: self.generator.synthesis.get_submodule(name) for name in levels}

        def mixed(name: str, layer: nn.Module, given: tuple[Any, ...], said: Tensor) -> Tensor:
            x, _, *rest = given
            mask = F.interpolate(inside.to(said.dtype), said.shape[-2:], mode="area")
            return said.lerp(layer.forward(x, styles[name], *rest), mask)

        hooks = [
            layer.register_forward_hook(partial(mixed, name)) for name, layer in layers.items()
        ]
        try:
            blended: Tensor = self.draw(own)
        finally:
            for hook in hooks:
                hook.remove()
        return blended

    def samples(self, n: int, seed: int) -> Tensor:
        """Images of the generator, with its stored noise."""
        given = inputs(self.generator, n, seed, DRAWN)
        return torch.cat([self.generator(z, label) for z, label in given])

    @torch.no_grad()
    def standardise(self, styles: Mapping[str, Tensor]) -> None:
        """Take mean and deviation from styles [M,width] of random samples, by level."""
        whole = torch.cat([styles[level] for level in self.levels], dim=1)
        self.mean.copy_(whole.mean(dim=0))
        self.deviation.copy_(whole.std(dim=0))


def map_for(level: int, resolution: int) -> int:
    """Which of three maps, the finest first, says a level of so many px."""
    deep, middle = (DEEP, MIDDLE) if resolution > MIDDLE else (resolution // 4, resolution // 2)
    return 2 if level <= deep else 1 if level <= middle else 0
