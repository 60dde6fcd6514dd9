"""The StyleGAN2 discriminator (Karras et al. 2020, arXiv:1912.04958, figure 7)."""

import math
from collections.abc import Iterable
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from ganfeat.backbone import ops
from ganfeat.backbone.layers import Conv2d, Linear, MappingNetwork
from ganfeat.backbone.shape import block_resolutions, channels, check_architecture, in_bf16
from ganfeat.networks import Network
from ganfeat.ranges import Count, Natural, Positive, Range


class DiscriminatorBlock(nn.Module):
    """Two 3x3 convolutions that halve the size, with what the architecture adds around them."""

    fir: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        image_channels: int,
        *,
        architecture: str,
        is_first: bool,
        clamp: float | None,
        bf16: bool,
    ) -> None:
        super().__init__()
        self.bf16, self.architecture = bf16, architecture
        if is_first or architecture == "skip":
            self.fromrgb = Conv2d(image_channels, in_channels, 1, clamp=clamp)
        half = math.sqrt(0.5) if architecture == "resnet" else 1.0
        self.conv0 = Conv2d(in_channels, in_channels, 3, clamp=clamp)
        self.conv1 = Conv2d(in_channels, out_channels, 3, down=True, gain=half, clamp=clamp)
        if architecture == "resnet":
            self.skip = Conv2d(
                in_channels, out_channels, 1, bias=False, activate=False, down=True, gain=half
            )
        if architecture == "skip":
            self.register_buffer("fir", ops.fir_kernel(image_channels), persistent=False)

    def embed(self, x: Tensor | None, image: Tensor) -> Tensor:
        """Features at this block's resolution, with the image's own where the block reads it."""
        dtype = torch.bfloat16 if self.bf16 else self.conv0.weight.dtype
        if x is not None:
            x = x.to(dtype)
        if not hasattr(self, "fromrgb"):
            assert x is not None
            return x
        rgb: Tensor = self.fromrgb(image.to(dtype))
        return rgb if x is None else x + rgb

    def forward(self, x: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` [N,C,H,W] and the image at that size to both at half of it."""
        skip = self.skip(x) if self.architecture == "resnet" else None
        x = self.conv1(self.conv0(x))
        x = x if skip is None else x + skip
        return x, ops.downsample(image, self.fir) if self.architecture == "skip" else image


class DiscriminatorEpilogue(nn.Module):
    """From 4x4 maps to logits, in the precision of the parameters (fp32), never in bf16."""

    def __init__(
        self,
        width: int,
        cmap_dim: int,
        image_channels: int,
        *,
        architecture: str,
        mbstd_group: int,
        mbstd_channels: int,
        clamp: float | None,
    ) -> None:
        super().__init__()
        if architecture == "skip":
            self.fromrgb = Conv2d(image_channels, width, 1)
        self.mbstd_group, self.mbstd_channels = mbstd_group, mbstd_channels
        self.conv = Conv2d(width + mbstd_channels, width, 3, clamp=clamp)
        self.fc = Linear(width * 16, width, activate=True)
        self.out = Linear(width, cmap_dim if cmap_dim > 0 else 1)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """``x`` [N,C,4,4] -> [N,1], or [N,cmap_dim] before projection."""
        dtype = self.out.weight.dtype
        x = x.to(dtype)
        if hasattr(self, "fromrgb"):
            x = x + self.fromrgb(image.to(dtype))
        if self.mbstd_channels > 0:
            x = ops.minibatch_stddev(x, self.mbstd_group, self.mbstd_channels)
        logits: Tensor = self.out(self.fc(self.conv(x).flatten(1)))
        return logits


class Discriminator(Network):
    """StyleGAN2 discriminator: images [N,3,R,R] to logits [N,1].

    Args:
        resolution: side of the image in pixels, a power of two from 16 to 1024.
        label_dim: columns of the label, 0 for an unconditional network (projection otherwise).
        channel_base: maps at resolution r number min(channel_base / r, channel_max).
        channel_max: upper limit of that number.
        architecture: resnet, skip or orig.
        image_channels: 3 for colour.
        mbstd_group: samples in a group of the minibatch standard deviation.
        mbstd_channels: maps that it adds, 0 to leave it out.
        cmap_dim: size of the mapped label; None takes the width at 4 px.
        mapping_layers: dense layers of the label mapping.
        conv_clamp: limit of the convolutions' outputs; official networks carry 256.
        num_bf16_res: how many of the highest resolutions run in bfloat16.
    """

    def __init__(
        self,
        resolution: int,
        *,
        label_dim: int = 0,
        channel_base: Count = 32768,
        channel_max: Count = 512,
        architecture: str = "resnet",
        image_channels: Count = 3,
        mbstd_group: Count = 4,
        mbstd_channels: Natural = 1,
        cmap_dim: Count | None = None,
        mapping_layers: Annotated[int, Range(0, 64)] = 8,
        conv_clamp: Positive | None = None,
        num_bf16_res: int = 0,
    ) -> None:
        super().__init__()
        self.config = Discriminator.arguments(locals(), but=["num_bf16_res"])
        check_architecture(architecture)
        self.resolution, self.label_dim = resolution, label_dim
        self.resolutions = block_resolutions(resolution)[:0:-1]
        for r in self.resolutions:
            block = DiscriminatorBlock(
                channels(r, channel_base, channel_max),
                channels(r // 2, channel_base, channel_max),
                image_channels,
                architecture=architecture,
                is_first=r == resolution,
                clamp=conv_clamp,
                bf16=in_bf16(r, resolution, num_bf16_res),
            )
            self.add_module(f"b{r}", block)
        width = channels(4, channel_base, channel_max)
        cmap_dim = 0 if label_dim == 0 else width if cmap_dim is None else cmap_dim
        if label_dim > 0:
            self.mapping = MappingNetwork(
                0, label_dim, cmap_dim, mapping_layers, track_average=False
            )
        self.b4 = DiscriminatorEpilogue(
            width,
            cmap_dim,
            image_channels,
            architecture=architecture,
            mbstd_group=mbstd_group,
            mbstd_channels=mbstd_channels,
            clamp=conv_clamp,
        )
        ops.to_channels_last(self)

    def trunk(self, images: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """All maps by their size in pixels, and the image as the last block leaves it.

        ``images`` [N,3,R,R] in [-1,1] -> ``{R: [N,C,R,R], R/2: ..., 4: [N,C,4,4]}``; the first is
        what fromRGB gives, each other one what a block leaves.
        """
        if images.shape[-1] != self.resolution or images.shape[-2] != self.resolution:
            raise ValueError(
                f"the discriminator takes {self.resolution} px images, "
                f"got {images.shape[-2]}x{images.shape[-1]}"
            )
        image = images.contiguous(memory_format=torch.channels_last)
        maps: dict[int, Tensor] = {}
        x: Tensor | None = None
        for r in self.resolutions:
            block = self.get_submodule(f"b{r}")
            assert isinstance(block, DiscriminatorBlock)
            x = block.embed(x, image)
            if r == self.resolution:
                maps[r] = x
            x, image = block(x, image)
            maps[r // 2] = x
        return maps, image

    def head(self, x: Tensor, image: Tensor, label: Tensor | None = None) -> Tensor:
        """Logits [N,1] from the 4 px maps (and the 4 px image, which only ``skip`` looks at)."""
        logits: Tensor = self.b4(x, image)
        if self.label_dim > 0:
            cmap = self.mapping(None, label)
            logits = (logits * cmap).sum(dim=1, keepdim=True) / math.sqrt(cmap.shape[1])
        return logits

    def forward(
        self, images: Tensor, label: Tensor | None = None, *, taps: Iterable[int] = ()
    ) -> Any:
        """``images`` [N,3,R,R] in [-1,1] to logits [N,1]; with taps also ``{size: maps}``."""
        maps, image = self.trunk(images)
        missing = set(taps) - set(maps)
        if missing:
            raise ValueError(f"no maps of {sorted(missing)} px: {sorted(maps)}")
        logits = self.head(maps[4], image, label)
        return (logits, {r: maps[r] for r in taps}) if taps else logits
