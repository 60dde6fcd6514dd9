"""The small networks that the project trains itself, so that nothing has to be downloaded.

They look at 32 px. Four stages of maps (32, 16, 8, 4 px) end in a vector; what is read from it
makes the difference: factors and landmarks, classes, or nothing (a self-supervised network).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.errors import UserError
from ganfeat.features.blocks import (
    COARSE,
    DETAIL,
    GROUP,
    QUANTILES,
    SIZE,
    Block,
    Glances,
    Standard,
    conv,
    faintness,
    norm,
)
from ganfeat.features.network import AttributeScorer, Features, area

LAYOUT = 8  # channels that say what is where, at 8 px


class SmallNet(Features):
    """Convolutions from 32 px down to a vector.

    The vector knows how much there is of what, in all maps; what is where, at 8 px; what some
    places look like that the network chooses (`Glances`); and how faint the faintest texture is.

    Args:
        name: as metrics name it.
        widths: channels at 32, 16, 8 and 4 px, each a multiple of 8.
        blocks: blocks at these sizes.
        residual: whether a block adds to its input.
        dim: size D of the vector.
        places: how many places it looks at.
    """

    def __init__(
        self,
        name: str,
        widths: Sequence[int] = (32, 64, 128, 160),
        blocks: Sequence[int] = (1, 1, 1, 0),
        residual: bool = True,
        dim: int = 256,
        places: int = 16,
    ) -> None:
        super().__init__()
        self.config = SmallNet.arguments(locals())
        if len(widths) != 4 or len(blocks) != 4 or any(width % GROUP for width in widths):
            raise UserError(
                f"widths={list(widths)}, blocks={list(blocks)}: four of each are needed, the "
                f"widths multiples of {GROUP}"
            )
        self.name, self.resize, self.channels = name, f"area to {SIZE}", list(widths)
        self.stem = conv(3, widths[0])
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width, residual) for _ in range(count)), norm(width))
            for width, count in zip(widths, blocks, strict=True)
        )
        self.down = nn.ModuleList(conv(a, b) for a, b in pairwise(widths))
        self.squeeze = nn.Conv2d(widths[2], LAYOUT, 1)
        self.glances = Glances(sum(widths[1:]), widths[0], places, SIZE // 2)
        seen = len(QUANTILES) + sum(widths) + LAYOUT * 64 + places * (2 + COARSE + DETAIL)
        self.standard, self.vector = Standard(seen), nn.Linear(seen, dim)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def taps(self, images: Tensor) -> list[Tensor]:
        """Four maps, of 32, 16, 8 and 4 px."""
        x = self.stem(area(images, SIZE, self.name))
        maps: list[Tensor] = []
        for i, stage in enumerate(self.stages):
            if i > 0:
                x = self.down[i - 1](F.avg_pool2d(maps[-1], 2))
            maps.append(F.relu(stage(x), inplace=True))
        return maps

    def embed(self, images: Tensor) -> Tensor:
        """The vector, [N,D]."""
        return self.look(images)[0]

    def look(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The vector and the maps, at once."""
        maps = self.taps(images)
        return self.read_maps(images, maps)[0], maps

    def read_maps(self, images: Tensor, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """From images and their maps: the vector [N,D], and where the network looked.

        Those are [N,places,2], x and y in half sides.
        """
        positions, contents = self.glances(maps[1:], maps[0])
        faint = faintness(area(images, SIZE, self.name))
        amounts = [m.mean(dim=[2, 3]) for m in maps]
        layout = F.relu(self.squeeze(maps[2])).flatten(1)
        seen = torch.cat([faint, *amounts, layout, positions.flatten(1), contents], dim=1)
        vectors: Tensor = self.vector(self.standard(seen))
        return vectors, positions


class Column(NamedTuple):
    """A factor that a network is to name.

    Attributes:
        name, kind, classes: as in the data set's table.
        needs: the binary factor that must be 1 for this one to mean anything; empty if it always
            does. Where a thing is cannot be told where it is not.
    """

    name: str
    kind: str
    classes: int
    needs: str = ""

    @property
    def width(self) -> int:
        """Numbers that the network gives for it."""
        return {"continuous": 1, "binary": 1, "circular": 2, "categorical": self.classes}[self.kind]


class FactorNet(SmallNet, AttributeScorer):
    """Names the factors of a drawn image and finds its landmarks.

    Each factor is read from numbers of the vector that are its own, three quarters of all, so that
    the loud factors do not drown the faint ones in the gradient of every weight.

    Args:
        name: as metrics name it.
        columns: the factors in the order of the data set's table, each as a `Column`.
        landmarks: number of points; the first places that it looks at are to be these.
        widths, blocks, residual, dim, places: as in `SmallNet`.
    """

    owned: Tensor

    def __init__(
        self,
        name: str,
        columns: Sequence[Sequence[str | int]],
        landmarks: int = 10,
        widths: Sequence[int] = (32, 64, 128, 160),
        blocks: Sequence[int] = (1, 1, 1, 0),
        residual: bool = True,
        dim: int = 256,
        places: int = 16,
    ) -> None:
        if places < landmarks:
            raise UserError(f"{name} must look at {landmarks} landmarks: places={places} are less")
        super().__init__(name, widths, blocks, residual, dim, places)
        self.config = FactorNet.arguments(locals())
        self.columns = [Column(*column) for column in columns]  # type: ignore[arg-type]
        self.attributes = [c.name for c in self.columns if c.width == 1 and not c.needs]
        own = max(1, 3 * dim // (4 * len(self.columns)))
        self.free = dim - own * len(self.columns)
        if self.free < 1:
            raise UserError(f"{name}: dim={dim} numbers are too few for {len(columns)} factors")
        reads = [i for i, column in enumerate(self.columns) for _ in range(column.width)]
        owned = torch.tensor(reads)[:, None] == torch.arange(dim) // own
        self.register_buffer("owned", owned, persistent=False)
        self.factor_head = nn.Linear(dim, len(reads))
        self.landmark_head = nn.Linear(self.free, 3 * landmarks)

    def read(self, vectors: Tensor) -> tuple[list[Tensor], Tensor]:
        """Raw scores per factor, [N,width] each, and landmarks [N,P,3]: x, y, logit of visible.

        Points are in half sides from the image's centre. Binary and categorical scores are logits,
        circular ones cosine and sine.
        """
        hidden = F.leaky_relu(vectors, 0.2)
        head = self.factor_head
        numbers = F.linear(hidden, head.weight * self.owned, head.bias)
        scores = torch.split(numbers, [c.width for c in self.columns], dim=1)
        points = self.landmark_head(hidden[:, -self.free :]).unflatten(1, (-1, 3))
        return list(scores), points

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        """Raw scores [N,width] by the factor's name."""
        scores, _ = self.read(self.embed(images))
        return {c.name: s for c, s in zip(self.columns, scores, strict=True)}

    def factors(self, images: Tensor) -> Tensor:
        """The table [N,F] as the data set gives it: values, 0 or 1, index, angle."""
        return self.table(self.embed(images))

    def table(self, vectors: Tensor) -> Tensor:
        """The table [N,F] from the vectors [N,D] of the images."""
        scores, _ = self.read(vectors)
        return torch.stack([decode(s, c) for s, c in zip(scores, self.columns, strict=True)], dim=1)

    def landmarks(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Points [N,P,2] in pixels of ``images``, and which are visible [N,P]."""
        return self.points(self.embed(images), images.shape[-1])

    def points(self, vectors: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """The same from the vectors [N,D] of images of ``side`` px."""
        _, points = self.read(vectors)
        return (points[..., :2] + 1) * (side / 2), points[..., 2] > 0


def decode(scores: Tensor, column: Column) -> Tensor:
    """Raw scores [N,width] of a factor to its values [N]."""
    match column.kind:
        case "continuous":
            return scores[:, 0].clamp(-1, 1)
        case "binary":
            return (scores[:, 0] > 0).float()
        case "circular":
            return torch.atan2(scores[:, 1], scores[:, 0]) % (2 * torch.pi)
    return scores.argmax(dim=1).float()


class ClassNet(SmallNet):
    """Sorts images into classes.

    Args:
        name: as metrics name it.
        label_dim: number of classes, which the data say.
        widths, blocks, residual, dim, places: as in `SmallNet`.
    """

    def __init__(
        self,
        name: str,
        label_dim: int = 0,
        widths: Sequence[int] = (32, 64, 128, 160),
        blocks: Sequence[int] = (1, 1, 1, 0),
        residual: bool = True,
        dim: int = 256,
        places: int = 16,
    ) -> None:
        if label_dim < 2:
            raise UserError(f"{name} needs two classes or more to tell apart: set data.labels=true")
        super().__init__(name, widths, blocks, residual, dim, places)
        self.config = ClassNet.arguments(locals())
        self.classes = label_dim
        self.head = nn.Linear(dim, label_dim)

    def classify(self, vectors: Tensor) -> Tensor:
        """[N,label_dim]."""
        logits: Tensor = self.head(F.relu(vectors))
        return logits
