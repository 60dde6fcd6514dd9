"""A generator whose directions, layers and factors are known, and a network to look at it with."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.backbone import Generator
from ganfeat.features import Features

GROUPS, VECTORS = 3, 2  # factors are pairs of these
FACTORS = GROUPS * VECTORS
PATCH = (8, 12)  # pixels of each: three rows of two
LOUD = (0.6, 0.25)  # how strongly the factors of the two vectors change their patches


class LinearFaces(Generator):
    """Draws six factors into six patches: ``tanh <w_l, v>`` for each layer l and vector v.

    All layers read the same two vectors, so what a direction does depends on the layer, and layers
    must be learnt. A layer is a group by itself, and all of w is read: else edits that do the same
    could be at right angles, and diversity would not tell them apart.

    While its factor goes from 0 to 1, the change of a patch turns from one pattern towards another
    by a radian. The first vector's factors are louder, so that edits that have only to be
    consistent become these.
    """

    def __init__(self) -> None:
        nn.Module.__init__(self)  # with none of StyleGAN2's layers
        self.config = {}
        self.resolution, self.label_dim = GROUPS * PATCH[0], 0
        self.z_dim = self.w_dim = VECTORS
        self.num_ws, self.style_names = GROUPS, [f"layer{i}" for i in range(GROUPS)]
        self._style_latent = list(range(GROUPS))
        rng = torch.Generator().manual_seed(0)
        rows, _ = torch.linalg.qr(torch.randn(VECTORS, VECTORS, generator=rng))
        self.register_buffer("vectors", rows)
        self.register_buffer("patterns", torch.randn(3, FACTORS, 3, *PATCH, generator=rng))
        self.register_buffer("loud", torch.tensor(LOUD).repeat(GROUPS))
        self.synthesis = nn.ModuleDict({name: nn.ModuleDict() for name in self.style_names})
        for layer in self.synthesis.values():
            layer["affine"] = nn.Linear(VECTORS, VECTORS, bias=False)
            layer["affine"].weight.data.copy_(rows)

    @property
    def w_avg(self) -> Tensor:
        return torch.zeros_like(self.vectors[0])

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return z

    def factors(self, ws: Tensor) -> Tensor:
        """Latents [N,L,D] to factors [N,J], those of the first layer first."""
        return torch.cat([*self.styles(ws).values()], dim=1).tanh()

    def synthesize(self, ws: Tensor, *, noise: str = "const") -> Tensor:
        angle = self.factors(ws)[..., None, None, None]
        fixed, one, two = self.patterns
        change = angle.sin() * one + (1 - angle.cos()) * two
        patches = 0.4 * fixed + self.loud[:, None, None, None] * change
        grid = patches.unflatten(1, (GROUPS, VECTORS)).permute(0, 3, 1, 4, 2, 5)
        return grid.reshape(len(ws), 3, self.resolution, self.resolution)


class Convolutions(Features):
    """Random convolutions, each of half the size of the one before."""

    name = "convolutions"

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.config = {}
        rng = torch.Generator().manual_seed(0)
        sizes = zip(widths, (3, *widths), strict=False)
        self.weights = nn.ParameterList(
            torch.randn(a, b, 3, 3, generator=rng) * (2 / (9 * b)) ** 0.5 for a, b in sizes
        ).requires_grad_(False)

    def taps(self, images: Tensor) -> list[Tensor]:
        maps = [images]
        for weight in self.weights:
            maps.append(F.conv2d(maps[-1], weight, stride=2, padding=1).relu())
        return maps[1:]
