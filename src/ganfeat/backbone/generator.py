"""The StyleGAN2 generator (Karras et al. 2020, arXiv:1912.04958, figures 2 and 7).

z -> w -> ws -> styles -> image: each arrow is a method, so that an edit can enter at any latent
space. Parameters carry the official names, so official weights load without a table of names.
"""

import inspect
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganfeat.backbone import ops
from ganfeat.backbone.layers import Conv2d, Linear, MappingNetwork
from ganfeat.backbone.shape import block_resolutions, channels, check_architecture, in_bf16

Noise = Literal["const", "random", "none"] | Sequence[Tensor]
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
    ) -> None:
        super().__init__()
        self.affine = Linear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
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
        x = ops.modulated_conv2d(x, self.weight, style, demodulate=False, up_fir=fir)
        scale = (ops.demodulation(self.weight, style) * self.gain).to(x.dtype)
        bias = (self.bias * self.gain).to(x.dtype)[:, None, None]
        x = torch.addcmul(bias, x, scale[:, :, None, None])
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
        x = ops.modulated_conv2d(x, self.weight, style, demodulate=False)
        return ops.bias_act(x, self.bias, activate=False, clamp=self.clamp).to(style.dtype)


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
        bf16: bool,
    ) -> None:
        super().__init__()
        self.bf16 = bf16
        residual = architecture == "resnet" and in_channels > 0
        if in_channels == 0:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(
                in_channels, out_channels, w_dim, resolution, up=True, clamp=clamp
            )
        half = math.sqrt(0.5) if residual else 1.0
        self.conv1 = SynthesisLayer(
            out_channels, out_channels, w_dim, resolution, clamp=clamp, gain=half
        )
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
                bf16=in_bf16(r, resolution, num_bf16_res),
            )
            self.add_module(f"b{r}", block)
            below = width

    def blocks(self) -> list[tuple[str, SynthesisBlock]]:
        """Names and blocks, coarse to fine."""
        return [(name, b) for name, b in self.named_children() if isinstance(b, SynthesisBlock)]


class Generator(nn.Module):
    """StyleGAN2 generator.

    Args:
        resolution: side of the image in pixels, a power of two from 16 to 1024.
        z_dim: size of z. w_dim: size of w.
        label_dim: columns of the label, 0 for an unconditional network.
        mapping_layers: dense layers from z to w.
        channel_base: maps at resolution r number min(channel_base / r, channel_max).
        channel_max: upper limit of that number.
        architecture: how features become an image: skip, resnet or orig.
        image_channels: 3 for colour.
        conv_clamp: limit of the convolutions' outputs; official networks carry 256.
        num_bf16_res: how many of the highest resolutions run in bfloat16.

    Attributes:
        config: the arguments above as plain data; ``Generator(**g.config)`` is the same network.
        num_ws: number L of latents that the convolutions consume, 2 log2(resolution) - 2.
        style_names: one name per convolution and ToRGB, coarse to fine (the S space).
    """

    def __init__(
        self,
        resolution: int,
        *,
        z_dim: int = 512,
        w_dim: int = 512,
        label_dim: int = 0,
        mapping_layers: int = 8,
        channel_base: int = 32768,
        channel_max: int = 512,
        architecture: str = "skip",
        image_channels: int = 3,
        conv_clamp: float | None = None,
        num_bf16_res: int = 0,
    ) -> None:
        super().__init__()
        arguments = locals()
        names = list(inspect.signature(Generator).parameters)
        self.config: dict[str, Any] = {name: arguments[name] for name in names}
        self.resolution, self.label_dim = resolution, label_dim
        self.z_dim, self.w_dim = z_dim, w_dim
        self.synthesis = SynthesisNetwork(
            resolution,
            w_dim,
            image_channels,
            channel_base,
            channel_max,
            architecture,
            conv_clamp,
            num_bf16_res,
        )
        self.mapping = MappingNetwork(z_dim, label_dim, w_dim, mapping_layers)
        self.style_names, self._style_latent = self._style_layout()
        self.num_ws = 2 * len(self.synthesis.resolutions)
        ops.to_channels_last(self)

    def _style_layout(self) -> tuple[list[str], list[int]]:
        """Which latent feeds which layer: one per convolution, ToRGB shares the next block's."""
        names: list[str] = []
        latents: list[int] = []
        used = 0
        for name, block in self.synthesis.blocks():
            for layer, _ in block.layers():
                names.append(f"{name}.{layer}")
                latents.append(used)
                used += 1
            if hasattr(block, "torgb"):
                names.append(f"{name}.torgb")
                latents.append(used)
        return names, latents

    @property
    def w_avg(self) -> Tensor:
        """Running mean of w, [w_dim]."""
        return self.mapping.w_avg

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """``z`` [N,z_dim], ``label`` [N,label_dim] or None -> w [N,w_dim]."""
        w: Tensor = self.mapping(z, label)
        return w

    def broadcast(self, w: Tensor) -> Tensor:
        """W to W+: [N,w_dim] -> ws [N,L,w_dim]."""
        return w[:, None].expand(-1, self.num_ws, -1)

    def truncate(self, ws: Tensor, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """Pull w [N,D] or the first ``cutoff`` of ws [N,L,D] towards ``w_avg`` by 1 - psi."""
        if psi == 1:
            return ws
        truncated = self.w_avg.lerp(ws, psi)
        if cutoff is None or ws.ndim == 2:
            return truncated
        return torch.cat([truncated[:, :cutoff], ws[:, cutoff:]], dim=1)

    def styles(self, ws: Tensor) -> Styles:
        """W+ to the full S space: ws [N,L,w_dim] -> {layer name: [N, channels of its input]}."""
        return {
            name: self.synthesis.get_submodule(f"{name}.affine")(ws[:, i])
            for name, i in zip(self.style_names, self._style_latent, strict=True)
        }

    def draw_noise(self, n: int, rng: torch.Generator | None = None) -> list[Tensor]:
        """One fresh noise image [n,1,r,r] per convolution, on the generator's device."""
        device = self.w_avg.device
        sizes = [layer.resolution for _, b in self.synthesis.blocks() for _, layer in b.layers()]
        return [torch.randn(n, 1, r, r, generator=rng, device=device) for r in sizes]

    def synthesize(
        self,
        ws: Tensor | None = None,
        *,
        styles: Styles | None = None,
        noise: Noise = "const",
        taps: Iterable[int] = (),
    ) -> Any:
        """The image of ``ws`` [N,L,w_dim] or of ``styles``: [N,3,R,R] in fp32, about [-1,1].

        Args:
            ws: latents in W+.
            styles: a point of the S space, instead of ``ws``.
            noise: ``const`` (stored), ``random`` (fresh), ``none``, or one [N,1,r,r] or [r,r] per
                convolution as `draw_noise` gives them.
            taps: resolutions whose block outputs are wanted.

        Returns:
            The image, or with taps ``(image, {resolution: [N,C,r,r]})``.
        """
        if (ws is None) == (styles is None):
            raise ValueError("synthesize needs either ws or styles")
        styles = self.styles(ws) if ws is not None else styles
        assert styles is not None
        missing = set(taps) - set(self.synthesis.resolutions)
        if missing:
            raise ValueError(f"no block at {sorted(missing)} px: {self.synthesis.resolutions}")
        noises = self._layer_noise(noise, len(next(iter(styles.values()))))
        x = image = None
        maps: dict[int, Tensor] = {}
        for r, (name, block) in zip(
            self.synthesis.resolutions, self.synthesis.blocks(), strict=True
        ):
            own = {key.split(".")[1]: s for key, s in styles.items() if key.startswith(f"{name}.")}
            x, image = block(x, image, own, {layer: next(noises) for layer, _ in block.layers()})
            maps[r] = x
        return (image, {r: maps[r] for r in taps}) if taps else image

    def _layer_noise(self, noise: Noise, n: int) -> Any:
        """One noise image or None for each convolution, in order."""
        layers = [layer for _, b in self.synthesis.blocks() for _, layer in b.layers()]
        if noise == "const":
            return iter([layer.noise_const for layer in layers])
        if noise == "none":
            return iter([None] * len(layers))
        if noise == "random":
            return iter(self.draw_noise(n))
        if isinstance(noise, str):
            raise ValueError(f"noise {noise!r} does not exist: const, random, none or tensors")
        if len(noise) != len(layers):
            raise ValueError(f"{len(layers)} noise images are needed, got {len(noise)}")
        return iter(noise)

    def forward(
        self,
        z: Tensor,
        label: Tensor | None = None,
        *,
        psi: float = 1.0,
        cutoff: int | None = None,
        noise: Noise = "const",
    ) -> Tensor:
        """``z`` [N,z_dim] to images [N,3,R,R], truncated by ``psi``."""
        ws = self.truncate(self.broadcast(self.map(z, label)), psi, cutoff)
        image: Tensor = self.synthesize(ws, noise=noise)
        return image
