"""What the small networks are made of: blocks of convolutions, and ways to look at maps."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.processes import mean_over_processes

SIZE = 32
GROUP = 8  # channels per group of a normalisation
COARSE, DETAIL = 24, 16  # numbers that say what is at a place: of all maps, of its window
THIN, WINDOW = 8, 7  # channels and side in pixels of a window
QUANTILES = (0.05, 0.1, 0.2, 0.4)  # of the texture in an image
FAINT = 1e-3  # texture below it is none, in [-1,1]


class Block(nn.Module):
    """Two 3x3 convolutions, each after a group norm and ReLU, added to the input or in its place.

    Group norm keeps an image's features independent of its batch and of the number of processes.
    """

    def __init__(self, channels: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.norm1, self.conv1 = norm(channels), conv(channels, channels)
        self.norm2, self.conv2 = norm(channels), conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N,C,h,w] to maps of the same shape."""
        y: Tensor = self.conv1(F.relu(self.norm1(x), inplace=True))
        y = self.conv2(F.relu(self.norm2(y), inplace=True))
        return x + y if self.residual else y


class Standard(nn.Module):
    """Numbers [N,D] with mean 0 and deviation 1 over images, by running means.

    What a map holds on average differs between images by hundredths, which a linear layer takes
    long to notice. In evaluation nothing depends on the other images of a batch, in training no
    gradient does.

    Attributes:
        follows: whether training moves the means.
    """

    mean: Tensor
    square: Tensor
    batches: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.follows = True
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("square", torch.ones(dim))
        self.register_buffer("batches", torch.tensor(0.0))

    def reset_parameters(self) -> None:
        """Forget what was seen."""
        self.mean.zero_()
        self.square.fill_(1)
        self.batches.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """[N,D] to the same shape."""
        if self.training and self.follows:
            self.update(x.detach())
        variance = self.square - self.mean.square()
        return (x - self.mean) / (variance.clamp(min=0) + 1e-4).sqrt()

    def update(self, x: Tensor) -> None:
        """Means of all batches, and of the last hundred once there are more."""
        self.batches += 1
        share = 1 / min(float(self.batches), 100)
        self.mean.lerp_(mean_over_processes(x.mean(dim=0)), share)
        self.square.lerp_(mean_over_processes(x.square().mean(dim=0)), share)


class Glances(nn.Module):
    """Looks at K places: a softmax over positions says where, and what is there is read twice.

    Its mean over the softmax says it coarsely, a window of the finest map around the place in
    detail. So the same few numbers describe an eye wherever it is.
    """

    grid: Tensor
    window: Tensor

    def __init__(self, channels: int, fine: int, places: int, side: int) -> None:
        super().__init__()
        self.where = nn.Conv2d(channels, places, 1)
        self.what = nn.Conv2d(channels, COARSE, 1)
        self.thin = nn.Conv2d(fine, THIN, 1)
        bound = (THIN * WINDOW**2) ** -0.5
        weight = torch.empty(places, THIN * WINDOW**2, DETAIL).uniform_(-bound, bound)
        self.detail = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(places, 1, DETAIL))
        line = (torch.arange(side) + 0.5) * (2 / side) - 1
        steps = (torch.arange(WINDOW) - (WINDOW - 1) / 2) * (2 / SIZE)
        self.register_buffer("grid", _points(line), persistent=False)
        self.register_buffer("window", _points(steps), persistent=False)

    def forward(self, maps: Sequence[Tensor], finest: Tensor) -> tuple[Tensor, Tensor]:
        """Maps [N,C,h,h], the largest first, and [N,F,32,32] to positions and what is there.

        Positions [N,K,2] are x and y in half sides; what is there is [N,K*40].
        """
        said = self._said_of(maps)
        where, what = said[:, :-COARSE], said[:, -COARSE:]
        attention = where.flatten(2).softmax(dim=2)
        positions = attention @ self.grid
        coarse = attention @ what.flatten(2).transpose(1, 2)
        points = positions[:, :, None] + self.window
        windows = F.grid_sample(self.thin(finest), points, "bilinear", align_corners=False)
        detail = windows.permute(2, 0, 1, 3).flatten(2) @ self.detail + self.bias
        contents = [coarse.flatten(1), F.relu(detail).transpose(0, 1).flatten(1)]
        return positions, torch.cat(contents, dim=1)

    def _said_of(self, maps: Sequence[Tensor]) -> Tensor:
        """`where` and `what` of all maps `gathered`, each map asked before it is enlarged."""
        weight = torch.cat([self.where.weight, self.what.weight])
        parts = torch.split(weight, [m.shape[1] for m in maps], dim=1)
        bias = torch.cat([b for b in (self.where.bias, self.what.bias) if b is not None])
        said = F.conv2d(maps[0], parts[0], bias)
        for m, part in zip(maps[1:], parts[1:], strict=True):
            said = said + F.interpolate(F.conv2d(m, part), said.shape[-2:])
        return said


def _points(line: Tensor) -> Tensor:
    """All pairs x, y of numbers on a line, [n*n,2]."""
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1)


def gathered(maps: Sequence[Tensor]) -> Tensor:
    """Maps in one, of the first's size [N,C,h,h]."""
    side = maps[0].shape[-1]
    return torch.cat([F.interpolate(m, (side, side)) for m in maps], dim=1)


def faintness(images: Tensor) -> Tensor:
    """How strong the faintest texture is, [N,4] in decades: quantiles of the finest diagonal band.

    Edges fill few pixels, grain fills all, so low quantiles tell it (Donoho and Johnstone 1994 take
    the median).
    """
    line = torch.tensor([1.0, -2.0, 1.0], device=images.device) / 6**0.5
    kernel = torch.outer(line, line).expand(3, 1, 3, 3)
    band = F.conv2d(images, kernel, groups=3).flatten(1).abs()
    levels = torch.tensor(QUANTILES, device=images.device)
    return (band.quantile(levels, dim=1).T + FAINT).log10()


def norm(channels: int) -> nn.GroupNorm:
    """Group norm of 8 channels a group."""
    return nn.GroupNorm(channels // GROUP, channels)


def conv(channels: int, out: int) -> nn.Conv2d:
    """3x3, of the same size."""
    return nn.Conv2d(channels, out, 3, padding=1)
