"""The synthesis half of the generator: modulated convolutions, ToRGB, blocks, network.

Karras et al. 2020 (arXiv:1912.04958), figure 2; the three architectures are those of figure 7.
"""

import math
from functools import partial

import torch
from torch import Tensor, nn

from ganfeat.backbone import ops
from ganfeat.backbone.layers import Conv2d, Linear
from ganfeat.backbone.shape import block_resolutions, channels, check_architecture, in_bf16

Styles = dict[str, Tensor]


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU."""

    noise_const: Tensor
    fir: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        *,
        up: bool = False,
        clamp: float | None = None,
        gain: float = 1.0,
        use_noise: bool = True,
    ) -> None:
        super().__init__()
        self.affine = Linear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        if use_noise:
            self.noise_strength = nn.Parameter(torch.zeros([]))
            self.register_buffer("noise_const", torch.randn(resolution, resolution))
        if up:
            self.register_buffer("fir", ops.fir_kernel(out_channels, 4.0), persistent=False)
        self.up, self.resolution = up, resolution
        self.gain = gain * ops.LRELU_GAIN
        self.clamp = None if clamp is None else clamp * gain

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        """``x`` [N,I,H,W], ``style`` [N,I], ``noise`` [N,1,R,R] or [R,R] -> [N,O,R,R]."""
        fir = self.fir if self.up else None
        x = ops.modulated_conv2d(x, self.weight, style, self.bias, gain=self.gain, up_fir=fir)
        if noise is not None:
            x = x.add_((noise * (self.noise_strength * self.gain)).to(x.dtype))
        return ops.lrelu_clamp(x, self.clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution without demodulation; the image is never in bf16."""

    def __init__(
        self, in_channels: int, image_channels: int, w_dim: int, clamp: float | None = None
    ) -> None:
        super().__init__()
        self.affine = Linear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(image_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(image_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.clamp = clamp

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """``x`` [N,I,H,W], ``style`` [N,I] -> [N,image_channels,H,W]."""
        style = style * self.weight_gain
        x = ops.modulated_conv2d(x, self.weight, style, self.bias, demodulate=False)
        x = x if self.clamp is None else x.clamp(-self.clamp, self.clamp)
        return x.to(style.dtype)


class SynthesisBlock(nn.Module):
    """Everything that happens at one resolution."""

    fir: Tensor

    def __init__(
        self,
        resolution: int,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        image_channels: int,
        *,
        architecture: str,
        is_last: bool,
        clamp: float | None,
        use_noise: bool,
        bf16: bool,
    ) -> None:
        super().__init__()
        self.bf16 = bf16
        layer = partial(SynthesisLayer, clamp=clamp, use_noise=use_noise)
        residual = architecture == "resnet" and in_channels > 0
        if in_channels == 0:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = layer(in_channels, out_channels, w_dim, resolution, up=True)
        half = math.sqrt(0.5) if residual else 1.0
        self.conv1 = layer(out_channels, out_channels, w_dim, resolution, gain=half)
        if is_last or architecture == "skip":
            self.torgb = ToRGB(out_channels, image_channels, w_dim, clamp)
            if architecture == "skip" and in_channels > 0:
                self.register_buffer("fir", ops.fir_kernel(image_channels, 4.0), persistent=False)
        if residual:
            self.skip = Conv2d(
                in_channels, out_channels, 1, bias=False, activate=False, up=True, gain=half
            )

    def layers(self) -> list[tuple[str, SynthesisLayer]]:
        """The block's convolutions in order, with their names."""
        named = self.named_children()
        return [(name, layer) for name, layer in named if isinstance(layer, SynthesisLayer)]

    def forward(
        self,
        x: Tensor | None,
        image: Tensor | None,
        styles: Styles,
        noise: dict[str, Tensor | None],
    ) -> tuple[Tensor, Tensor | None]:
        """Features and running image of the block below to those of this one."""
        dtype = torch.bfloat16 if self.bf16 else self.conv1.weight.dtype
        if x is None:
            const = self.const[None].contiguous(memory_format=torch.channels_last)
            x = const.to(dtype).expand(styles["conv1"].shape[0], -1, -1, -1)
            x = self.conv1(x, styles["conv1"], noise["conv1"])
        else:
            x = x.to(dtype)
            skip = self.skip(x) if hasattr(self, "skip") else None
            x = self.conv0(x, styles["conv0"], noise["conv0"])
            x = self.conv1(x, styles["conv1"], noise["conv1"])
            x = x if skip is None else x + skip
        if image is not None:
            image = ops.upsample(image, self.fir)
        if hasattr(self, "torgb"):
            rgb = self.torgb(x, styles["torgb"])
            image = rgb if image is None else image + rgb
        return x, image


class SynthesisNetwork(nn.Module):
    """The blocks from 4 px to the full resolution, under their official names b4, b8, ..."""

    def __init__(
        self,
        resolution: int,
        w_dim: int,
        image_channels: int,
        channel_base: int,
        channel_max: int,
        architecture: str,
        conv_clamp: float | None,
        use_noise: bool,
        num_bf16_res: int,
    ) -> None:
        super().__init__()
        check_architecture(architecture)
        self.resolutions = block_resolutions(resolution)
        below = 0
        for r in self.resolutions:
            width = channels(r, channel_base, channel_max)
            block = SynthesisBlock(
                r,
                below,
                width,
                w_dim,
                image_channels,
                architecture=architecture,
                is_last=r == resolution,
                clamp=conv_clamp,
                use_noise=use_noise,
                bf16=in_bf16(r, resolution, num_bf16_res),
            )
            self.add_module(f"b{r}", block)
            below = width

    def blocks(self) -> list[tuple[str, SynthesisBlock]]:
        """Names and blocks, coarse to fine."""
        return [(name, b) for name, b in self.named_children() if isinstance(b, SynthesisBlock)]
