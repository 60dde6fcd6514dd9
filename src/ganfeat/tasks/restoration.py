"""Image processing by an encoder that has only ever seen whole images: read, and draw again."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ganfeat.metrics.measure import Result
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import count_name, ratio_value
from ganfeat.pages import sheets
from ganfeat.ranges import Count
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import Trial


def noisy(images: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    """Gaussian noise of this standard deviation."""
    noise = torch.randn(images.shape, generator=rng).to(images.device)
    return (images + strength * noise).clamp(-1, 1)


def holed(images: Tensor, rng: torch.Generator, share: float) -> Tensor:
    """A grey square of this share of the side, anywhere."""
    side = images.shape[-1]
    size = max(1, round(share * side))
    corners = torch.randint(side - size + 1, [len(images), 2], generator=rng)
    out = images.clone()
    for image, (y, x) in zip(out, corners.tolist(), strict=True):
        image[:, y : y + size, x : x + size] = 0
    return out


def coarse(images: Tensor, rng: torch.Generator, times: float) -> Tensor:
    """Averaged over squares of so many px."""
    size = int(times)
    small = F.avg_pool2d(images, size)
    return small.repeat_interleave(size, dim=2).repeat_interleave(size, dim=3)


def grey(images: Tensor, rng: torch.Generator, share: float) -> Tensor:
    """So much of the colour taken away."""
    return torch.lerp(images, images.mean(dim=1, keepdim=True).expand_as(images), share)


DEGRADATIONS: dict[str, tuple[Callable[..., Tensor], tuple[float, ...]]] = {
    "noise": (noisy, (0.25, 0.5, 1.0)),
    "hole": (holed, (0.25, 0.375, 0.5)),
    "pixels": (coarse, (2, 4, 8)),
    "grey": (grey, (0.5, 0.75, 1.0)),
}


class Restoration(Task):
    """``restored_<how><n>``: error of what is drawn from a degraded image, over that image's own.

    Images are made noisy, get a hole, are coarsened or lose their colour; the encoder sees that,
    and what it says is drawn. Both errors are to the clean image; below 1 the drawing is nearer to
    it. The number is of the strongest degradation, the arrays have three of each.

    Args:
        n: images of ``test``.
        seed: of noise and places.
    """

    better = {"restored": "lower"}
    draws, unseen = True, True

    def __init__(self, n: Count = 1000, seed: int = 0) -> None:
        self.n, self.seed = n, seed

    def check(self, trial: Trial) -> None:
        """Photographs may be fewer."""
        trial.enough("test", self.n, self.n)

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """A number for each degradation, and a sheet: clean, degraded, drawn."""
        ways = [(how, s) for how, (_, strengths) in DEGRADATIONS.items() for s in strengths]
        rows = Rows(self.n, 2 * len(ways), what="an error").to(trial.references.device)
        shown: dict[str, dict[str, Tensor]] = {}
        for numbers, batch in trial.batches("test", self.n, (), "restoration"):
            images, errors = batch["image"], []
            for how, strength in ways:
                rng = torch.Generator().manual_seed(self.seed + int(numbers[0]))
                degrade, strengths = DEGRADATIONS[how]
                seen = degrade(images, rng, strength)
                drawn = trial.rebuilt(seen)
                errors += [(x - images).square().mean(dim=[1, 2, 3]) for x in (drawn, seen)]
                if strength == strengths[-1]:
                    shown.setdefault(how, {"clean": images, how: seen, "drawn": drawn})
            rows.update(torch.stack(errors, dim=1), numbers)
        found = rows.numpy().reshape(self.n, -1, 2)
        arrays: dict[str, dict[str, float]] = {how: {} for how in DEGRADATIONS}
        values = []
        for (how, strength), (own, before) in zip(ways, found.transpose(1, 2, 0), strict=True):
            arrays[how][str(strength)] = float(own.mean() / before.mean())
            if strength == DEGRADATIONS[how][1][-1]:
                protocol = trial.protocol(real=self.n, strength=strength, seed=self.seed)
                name = f"restored_{how}{count_name(self.n)}"
                values.append(ratio_value(name, own, before, protocol))
        pictures = sheets("restoration", *shown.values())
        return Result(values, {"restoration": arrays}, pictures)
