"""Perceptual path length (Karras et al. 2019, arXiv:1812.04948; ppl2_wend: 2020, 1912.04958)."""

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from ganfeat.metrics.measure import OfGenerator, Result, Subject
from ganfeat.metrics.progress import Progress
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import BLOCK, Samples
from ganfeat.metrics.value import Value, middle, resamples

LARGEST = 256  # px; larger images are averaged down to it first


def keep_middle(distances: ArrayLike, low: float = 1, high: float = 99) -> NDArray[Any]:
    """Sorted distances between two percentiles, rounded outwards to a distance that occurs."""
    values: NDArray[Any] = np.sort(distances)
    last = len(values) - 1
    least, most = values[math.floor(last * low / 100)], values[math.ceil(last * high / 100)]
    return values[values.searchsorted(least) : values.searchsorted(most, "right")]


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Along the great circle from ``a`` to ``b`` [N,D], both made unit vectors; ``t`` [N,1]."""
    a, b = (F.normalize(v, dim=-1) for v in (a, b))
    cosine = (a * b).sum(dim=-1, keepdim=True)
    angle = t * torch.acos(cosine)
    across = b - cosine * a
    found = a * angle.cos() + F.normalize(across, dim=-1) * angle.sin()
    return F.normalize(found, dim=-1)


class PPL(OfGenerator):
    """``ppl2_wend_<network>``, ``ppl_wfull_...`` or ``ppl_zfull_...``, uncropped.

    The mean of ``distance / epsilon^2`` over pairs of images whose latents are ``epsilon`` apart on
    a line between two random ones. Both images of a pair get the same noise, and neither is clamped
    or rounded.

    Args:
        pairs: number of pairs.
        space: ``w`` for straight lines in W, ``z`` for great circles in Z.
        where: ``end`` at the line's beginning, ``full`` anywhere on it.
        epsilon: the step.
    """

    def __init__(
        self,
        pairs: int = 50_000,
        space: Literal["w", "z"] = "w",
        where: Literal["end", "full"] = "end",
        epsilon: float = 1e-4,
    ) -> None:
        self.pairs, self.space, self.where, self.epsilon = pairs, space, where, epsilon

    def check(self, subject: Subject) -> None:
        """The network must be able to look at images of this size."""
        side = min(subject.samples.generator.resolution, LARGEST)
        blank = torch.zeros(1, 3, side, side, device=subject.references.device)
        with torch.no_grad():
            subject.judge.perceptual.distance(blank, blank)

    def images(self) -> int:
        """Two for each pair."""
        return 2 * self.pairs

    @torch.no_grad()
    def result(self, subject: Subject, progress: Progress) -> Result:
        """One number, trimmed to the middle 98 % of the pairs."""
        network = subject.judge.perceptual
        rows = Rows(self.pairs, what="a distance").to(subject.samples.device)
        for block in range(subject.rank, -(-self.pairs // BLOCK), subject.ranks):
            for first, a, b in self.ends(subject, block):
                distances = network.distance(a, b) / self.epsilon**2
                numbers = torch.arange(len(a)) + block * BLOCK + first
                rows.update(distances, numbers)
                progress(2 * len(a))
        found = rows.numpy()
        low, high = middle([keep_middle(found[i]).mean() for i in resamples(self.pairs)])
        name = f"{self.kind()}_{network.name}"
        protocol = subject.protocol(network, pairs=self.pairs, epsilon=self.epsilon, crop=False)
        value = float(keep_middle(found).mean())
        return Result([Value(name, value, low, high, n=self.pairs, protocol=protocol)])

    def kind(self) -> str:
        """Which PPL it is."""
        in_w = (self.space, self.where) == ("w", "end")
        return "ppl2_wend" if in_w else f"ppl_{self.space}{self.where}"

    def ends(self, subject: Subject, block: int) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Pairs of images, both ends in one batch: the first's number in the block, then they."""
        samples, g = subject.samples, subject.samples.generator
        t = torch.zeros(BLOCK, 1, device=samples.device)
        if self.where == "full":
            t = torch.rand(BLOCK, 1, generator=samples.rng(block, "t"), device=samples.device)
        a, b = (self.point(samples, block, t + step) for step in (0, self.epsilon))
        noise = [x[:1] for x in samples.noise(block)]
        size = max(samples.chunk // 2, 1)
        for first in range(0, BLOCK, size):
            ws = torch.cat([a[first : first + size], b[first : first + size]])
            images = g.synthesize(
                g.broadcast(ws), noise=[x.expand(len(ws), -1, -1, -1) for x in noise]
            )
            if g.resolution > LARGEST:
                images = F.avg_pool2d(images, g.resolution // LARGEST)
            yield first, *images.chunk(2)

    def point(self, samples: Samples, block: int, t: Tensor) -> Tensor:
        """Where on their lines the pairs of a block are: w [BLOCK,w_dim] at ``t`` [BLOCK,1]."""
        if self.space == "w":
            return torch.lerp(samples.w(block), samples.w(block, end=1), t)
        g = samples.generator
        z = slerp(samples.z(block), samples.z(block, end=1), t)
        return g.truncate(g.map(z, samples.label(block)), samples.psi)
