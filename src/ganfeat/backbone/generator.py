"""The StyleGAN2 generator (Karras et al. 2020, arXiv:1912.04958, figures 2 and 7).

z -> w -> ws -> styles -> image: each arrow is a method, so that an edit can enter at any latent
space. Parameters carry the official names, so official weights load without a table of names.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from ganfeat.backbone import ops
from ganfeat.backbone.layers import MappingNetwork
from ganfeat.backbone.synthesis import Styles, SynthesisLayer, SynthesisNetwork
from ganfeat.networks import Network
from ganfeat.ranges import Count, Positive, Range

Noise = Literal["const", "random", "none"] | Sequence[Tensor]


class Generator(Network):
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
        use_noise: whether convolutions add noise; without it an image depends on ws alone.
        num_bf16_res: how many of the highest resolutions run in bfloat16.

    Attributes:
        num_ws: number L of latents that the convolutions consume, 2 log2(resolution) - 2.
        style_names: one name per convolution and ToRGB, coarse to fine (the S space).
    """

    def __init__(
        self,
        resolution: int,
        *,
        z_dim: Count = 512,
        w_dim: Count = 512,
        label_dim: int = 0,
        mapping_layers: Annotated[int, Range(1, 64)] = 8,
        channel_base: Count = 32768,
        channel_max: Count = 512,
        architecture: str = "skip",
        image_channels: Count = 3,
        conv_clamp: Positive | None = None,
        use_noise: bool = True,
        num_bf16_res: int = 0,
    ) -> None:
        super().__init__()
        self.config = Generator.arguments(locals(), but=["num_bf16_res"])
        self.resolution, self.label_dim = resolution, label_dim
        self.z_dim, self.w_dim, self.use_noise = z_dim, w_dim, use_noise
        self.synthesis = SynthesisNetwork(
            resolution,
            w_dim,
            image_channels,
            channel_base,
            channel_max,
            architecture,
            conv_clamp,
            use_noise,
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
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise ValueError(f"z must be [N,{self.z_dim}], not {list(z.shape)}")
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
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(
                f"ws must be [N,{self.num_ws},{self.w_dim}], not {list(ws.shape)}: broadcast(w) "
                "makes them of w"
            )
        return {
            name: self.synthesis.get_submodule(f"{name}.affine")(ws[:, i])
            for name, i in zip(self.style_names, self._style_latent, strict=True)
        }

    def draw_noise(self, n: int, rng: torch.Generator | None = None) -> list[Tensor]:
        """One fresh noise image [n,1,r,r] per convolution that adds noise, on the device."""
        device, sizes = self.w_avg.device, [layer.resolution for layer in self._noisy_layers()]
        return [torch.randn(n, 1, r, r, generator=rng, device=device) for r in sizes]

    def _noisy_layers(self) -> list[SynthesisLayer]:
        """The convolutions that add noise: all or none."""
        layers = [layer for _, block in self.synthesis.blocks() for _, layer in block.layers()]
        return layers if self.use_noise else []

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
                convolution that adds noise, as `draw_noise` gives them.
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
        image = None
        maps: dict[int, Tensor] = {}
        for r, x, drawn in self._blocks(styles, noise):
            maps[r], image = x, drawn
        return (image, {r: maps[r] for r in taps}) if taps else image

    def maps(self, ws: Tensor, count: int, noise: Noise = "const") -> list[Tensor]:
        """Outputs of the first ``count`` blocks, [N,C,r,r] from 4 px on; no more is computed."""
        blocks = self._blocks(self.styles(ws), noise)
        return [x for _, x, _ in itertools.islice(blocks, count)]

    def _blocks(self, styles: Styles, noise: Noise) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        """Block by block its resolution, its output, and the image so far."""
        noises = self._layer_noise(noise, len(next(iter(styles.values()))))
        x = image = None
        for r, (name, block) in zip(
            self.synthesis.resolutions, self.synthesis.blocks(), strict=True
        ):
            own = {key.split(".")[1]: s for key, s in styles.items() if key.startswith(f"{name}.")}
            x, image = block(x, image, own, {layer: next(noises) for layer, _ in block.layers()})
            yield r, x, image

    def _layer_noise(self, noise: Noise, n: int) -> Iterator[Tensor | None]:
        """One noise image or None for each convolution, in order."""
        layers = self._noisy_layers()
        match noise:
            case "const":
                given: Sequence[Tensor] = [layer.noise_const for layer in layers]
            case "random":
                given = self.draw_noise(n)
            case "none":
                return itertools.repeat(None)
            case str():
                raise ValueError(f"noise {noise!r} does not exist: const, random, none or tensors")
            case _:
                given = noise
        if len(given) != len(layers):
            raise ValueError(f"{len(layers)} noise images are needed, got {len(given)}")
        return iter(given) if layers else itertools.repeat(None)

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
