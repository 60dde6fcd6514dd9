"""Encoders to compare with that nobody trains: networks as they are, and the pixels themselves."""

from collections.abc import Callable

import torch
from torch import Tensor

from ganfeat import backbone
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.features.network import area
from ganfeat.networks import Network
from ganfeat.processes import mean_over_processes, world_size
from ganfeat.ranges import Count
from ganfeat.training.fixed import Fixed
from ganfeat.training.method import Losses, Step

COUNTS = (32, 128)  # of principal components that are levels, beside all
SIDE = 32  # px to which larger images are averaged before their pixels are looked at


class FixedEncoder(Fixed):
    """A frozen network as an encoder, for the same tasks and records as those that are trained.

    Args:
        features: makes the network.
        batch_size, seed: as in `Method`.
    """

    network: Features

    def __init__(
        self, *, batch_size: int, seed: int, features: Callable[[], Features] | None = None
    ) -> None:
        if features is None:
            raise UserError("which network? choose one, such as features=teacher")
        super().__init__(features(), "encoder_ema", batch_size=batch_size, seed=seed)

    def frozen(self) -> dict[str, Network]:
        """The network, which a judge must not share."""
        return {"features": self.network}


class PixelPCA(FixedEncoder):
    """The first principal components of pixels, from the images of the run.

    Args:
        resolution: of the data.
        batch_size, seed: as in `Method`.
        components: how many.
    """

    network: "Components"
    total: Tensor
    products: Tensor
    seen: Tensor

    def __init__(
        self, *, resolution: int, batch_size: int, seed: int, components: Count = 512
    ) -> None:
        width = 3 * min(resolution, SIDE) ** 2
        if components > width:
            raise UserError(f"components={components}, but such images have {width} numbers")
        network = Components(resolution, components)
        super().__init__(batch_size=batch_size, seed=seed, features=lambda: network)
        self.register_buffer("total", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("products", torch.zeros(width, width, dtype=torch.float64))
        self.register_buffer("seen", torch.zeros([], dtype=torch.float64))

    def frozen(self) -> dict[str, Network]:
        """None: it is found out here."""
        return {}

    def count(self, step: Step) -> Losses:
        """Sums and products of pixels."""
        rows = flat(step.images, self.network.resolution).double()
        many = world_size() * len(rows)
        self.total += mean_over_processes(rows.mean(dim=0)) * many
        self.products += mean_over_processes(rows.T @ rows / len(rows)) * many
        self.seen += many
        return super().count(step)

    def end_iteration(self) -> None:
        """After the last one, the components of what was seen."""
        if self.iteration + 1 < self.trainer.max_steps:
            return
        mean = self.total / self.seen
        covariance = self.products / self.seen - torch.outer(mean, mean)
        _, directions = torch.linalg.eigh(covariance)
        self.network.mean.copy_(mean)
        self.network.directions.copy_(directions.flip(1)[:, : len(self.network.directions.T)])


class Components(Features):
    """Where an image lies along the first principal components of pixels.

    Args:
        resolution: of the images.
        components: how many.
        name: as metrics name it.
    """

    mean: Tensor
    directions: Tensor

    def __init__(self, resolution: int, components: Count = 512, name: str = "pixels") -> None:
        super().__init__()
        self.config = Components.arguments(locals())
        self.resolution, self.name = resolution, name
        width = 3 * min(resolution, SIDE) ** 2
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("directions", torch.zeros(width, components))

    def taps(self, images: Tensor) -> list[Tensor]:
        """The image."""
        return [images]

    def embed(self, images: Tensor) -> Tensor:
        """[N,components], the largest first."""
        return (flat(images, self.resolution) - self.mean) @ self.directions

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """The first 32, the first 128 and so on, of which each task chooses.

        In one row that gives all numbers the same weight, noise would outvote what is seen.
        """
        codes = self.embed(images)
        counts = [n for n in COUNTS if n < codes.shape[1]] + [codes.shape[1]]
        return {f"first{n}": codes[:, :n] for n in counts}


def flat(images: Tensor, resolution: int) -> Tensor:
    """Images [N,3,R,R], averaged down to 32 px where they are larger, in one row each."""
    return area(images, min(resolution, SIDE), "pixels").flatten(1)


class DiscriminatorFeatures(Features):
    """What a GAN's discriminator sees: the means of its maps, level by level.

    Args:
        weights: holds it: a run, a checkpoint, a weights file, an official pickle, `EMBEDDED`.
        name: as metrics name it.
    """

    def __init__(self, weights: str = "embedded", name: str = "discriminator") -> None:
        super().__init__()
        self.config = DiscriminatorFeatures.arguments(locals())
        self.name = name
        self.model = backbone.load(weights, "d").requires_grad_(False)
        self.resolution = self.model.resolution

    def taps(self, images: Tensor) -> list[Tensor]:
        """Maps from the finest to 4 px."""
        maps, _ = self.model.trunk(images)
        return [maps[side] for side in sorted(maps, reverse=True)]

    def embed(self, images: Tensor) -> Tensor:
        """The means of all maps in one row."""
        return self.look(images)[0]

    def look(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The vector [N,D] and the maps, at once."""
        maps = self.taps(images)
        return torch.cat([m.mean(dim=[2, 3]) for m in maps], dim=1), maps
