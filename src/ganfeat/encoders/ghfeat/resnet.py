"""The residual network of GH-Feat, which differs from the usual one (methods/ghfeat.md, 1.1).

Convolutions have biases, basic blocks activate before they normalise and not after they add, every
stage begins with a projection, and a last stage halves the map once more.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.errors import UserError
from ganfeat.processes import mean_over_processes, world_size

COUNTS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
SMALL = 64  # px: up to here a stem that shrinks nothing
EXPANSION = 4  # of a bottleneck
SLOPE = 0.2


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm of [N,C] or [N,C,h,w] over the images of all processes."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.num_batches_tracked = torch.zeros([])  # a count; files of ours hold fp32 alone

    def _check_input_dim(self, x: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, x: Tensor) -> Tensor:
        """In training by the batch's mean and variance, else by the running ones."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        others = [0, *range(2, x.ndim)]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        mean = mean_over_processes(x.mean(others))
        centred = x - mean.view(shape)
        variance = mean_over_processes(centred.square().mean(others))
        count = world_size() * x.numel() / x.shape[1]
        assert self.momentum is not None
        self.running_mean.lerp_(mean.detach(), self.momentum)
        self.running_var.lerp_(variance.detach() * (count / (count - 1)), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale.view(shape) + self.bias.view(shape)


def check_batch(images: int) -> None:
    """Refuse batches that batch norm cannot train with.

    Args:
        images: that go through the network at once, over all processes.

    Raises:
        UserError: there is one, or none.
    """
    if images < 2:
        raise UserError(
            "a batch is too small: the encoder's batch norm needs 2 images at once over all "
            "processes; choose a larger batch_size or a smaller trainer.accumulate"
        )


class Basic(nn.Module):
    """Two 3x3 convolutions, each with leaky ReLU and then the norm, beside a projection."""

    def __init__(self, channels: int, out: int, stride: int, project: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1)
        self.norm1 = BatchNorm(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.norm2 = BatchNorm(out)
        self.shortcut = projection(channels, out, stride) if project else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,h,w] to [N,out,h/stride,w/stride]."""
        y = self.norm1(F.leaky_relu(self.conv1(x), SLOPE))
        y = self.norm2(F.leaky_relu(self.conv2(y), SLOPE))
        found: Tensor = y + self.shortcut(x)
        return found


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolutions with norms, beside a projection, ReLU."""

    def __init__(self, channels: int, out: int, stride: int, project: bool) -> None:
        super().__init__()
        hidden = out // EXPANSION
        self.conv1, self.norm1 = nn.Conv2d(channels, hidden, 1), BatchNorm(hidden)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, stride, padding=1)
        self.norm2 = BatchNorm(hidden)
        self.conv3, self.norm3 = nn.Conv2d(hidden, out, 1), BatchNorm(out)
        self.shortcut = projection(channels, out, stride) if project else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,h,w] to [N,out,h/stride,w/stride]."""
        y = F.relu(self.norm1(self.conv1(x)))
        y = F.relu(self.norm2(self.conv2(y)))
        return F.relu(self.norm3(self.conv3(y)) + self.shortcut(x))


def projection(channels: int, out: int, stride: int) -> nn.Module:
    """1x1 convolution and norm."""
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride), BatchNorm(out))


class ResNet(nn.Module):
    """Maps of the last three stages.

    Up to 64 px the stem is one 3x3 convolution that shrinks nothing, above it the usual 7x7
    convolution and pooling, which shrink four times. The last stage, a bottleneck of 32 times the
    width, is there wherever it leaves 4 px or more.

    Args:
        resolution: of the images.
        depth: 18, 34, 50 or 101, without the last stage.
        width: channels of the stem; 64 is the usual size.

    Attributes:
        channels: of the three maps, the finest first.

    Raises:
        UserError: another depth.
    """

    def __init__(self, resolution: int, depth: int, width: int) -> None:
        super().__init__()
        if depth not in COUNTS:
            raise UserError(
                f"method.depth={depth} does not exist: choose one of {', '.join(map(str, COUNTS))}"
            )
        small = resolution <= SMALL
        block, grown = (Basic, 1) if depth < 50 else (Bottleneck, EXPANSION)
        self.stem = nn.Sequential(
            nn.Conv2d(
                3, width, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False
            ),
            BatchNorm(width),
            nn.LeakyReLU(SLOPE),
            nn.Identity() if small else nn.MaxPool2d(3, 2, 1),
        )
        side = resolution if small else resolution // 4
        self.stages = nn.ModuleList()
        made = [width]
        for i, count in enumerate(COUNTS[depth]):
            stride = 1 if i == 0 else 2
            if side // stride < 4:
                break
            out = width * 2**i * grown
            self.stages.append(stage(block, made[-1], out, count, stride))
            made.append(out)
            side //= stride
        if side >= 8:
            self.stages.append(stage(Bottleneck, made[-1], 32 * width, 1, 2))
            made.append(32 * width)
        self.channels = made[-3:]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images [N,3,R,R] to three maps, the finest first."""
        x = self.stem(images)
        maps = []
        for each in self.stages:
            x = each(x)
            maps.append(x)
        return maps[-3:]


def stage(
    block: type[Basic] | type[Bottleneck], channels: int, out: int, count: int, stride: int
) -> nn.Module:
    """Blocks of one size; the first shrinks and projects."""
    first = block(channels, out, stride, project=True)
    return nn.Sequential(first, *(block(out, out, 1, project=False) for _ in range(count - 1)))
