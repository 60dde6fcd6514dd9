"""Perceptual path length (Karras et al. 2019, arXiv:1812.04948; ppl2_wend: 2020, 1912.04958)."""

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from ganfeat.features import Features
from ganfeat.metrics.measure import OfGenerator, Result, Subject
from ganfeat.metrics.progress import Progress
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import BLOCK, Samples
from ganfeat.metrics.value import Value, middle, resampled_means, resamples
from ganfeat.ranges import Positive, Several

FEW = 4  # of so many pairs, one is compared with its neighbour: how far random images are apart
LARGEST = 256  # px; larger images are averaged down to it first


def keep_middle(distances: ArrayLike, low: float = 1, high: float = 99) -> NDArray[Any]:
    """Sorted distances between two percentiles, rounded outwards to a distance that occurs."""
    values: NDArray[Any] = np.sort(distances)
    last = len(values) - 1
    least, most = values[math.floor(last * low / 100)], values[math.ceil(last * high / 100)]
    return values[values.searchsorted(least) : values.searchsorted(most, "right")]


def shrunk(images: Tensor) -> Tensor:
    """Images [N,3,R,R] as the perceptual network gets them, of 256 px at most."""
    side = images.shape[-1]
    return F.avg_pool2d(images, side // LARGEST) if side > LARGEST else images


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

    And ``ppl2_wend_per_distance_<network>``: the same divided by the mean distance of two random
    images. A generator whose images are all alike lowers the first, and not the second.

    The mean of ``distance / epsilon^2`` over pairs of images whose latents are ``epsilon`` apart on
    a line between two random ones. Both images of a pair get the same noise, and neither is clamped
    or rounded.

    Args:
        pairs: number of pairs.
        space: ``w`` for straight lines in W, ``z`` for great circles in Z.
        where: ``end`` at the line's beginning, ``full`` anywhere on it.
        epsilon: the step.
    """

    better = {"ppl": "lower"}

    def __init__(
        self,
        pairs: Several = 50_000,
        space: Literal["w", "z"] = "w",
        where: Literal["end", "full"] = "end",
        epsilon: Positive = 1e-4,
    ) -> None:
        self.pairs, self.space, self.where, self.epsilon = pairs, space, where, epsilon

    def check(self, subject: Subject) -> None:
        """The network must be able to look at images of this size."""
        with torch.no_grad():
            subject.judge.perceptual.taps(shrunk(subject.blank()))

    def images(self) -> int:
        """Two for each pair."""
        return 2 * self.pairs

    @torch.no_grad()
    def result(self, subject: Subject, progress: Progress) -> Result:
        """The mean over the middle 98 % of the pairs, as it is and per distance."""
        network, n = subject.judge.perceptual, self.pairs
        steps = Rows(n, what="a distance").to(subject.samples.device)
        spans = Rows(max(n // FEW, 1), what="a distance").to(subject.samples.device)
        for block in range(subject.rank, -(-n // BLOCK), subject.ranks):
            for first, a, b in self.ends(subject, block):
                numbers = torch.arange(len(a)) + block * BLOCK + first
                maps = [m.chunk(2) for m in network.taps(shrunk(torch.cat([a, b])))]
                starts, nears = ([m[i] for m in maps] for i in (0, 1))
                steps.update(network.difference(starts, nears) / self.epsilon**2, numbers)
                each, other = ([m[i::FEW] for m in starts] for i in (0, 1))
                spans.update(network.difference(each, other), numbers[::FEW] // FEW)
                progress(2 * len(a))
        found, apart = steps.numpy(), spans.numpy()
        middles = np.array([keep_middle(found[i]).mean() for i in resamples(n)])
        protocol = self.protocol(subject, network, pairs=n, epsilon=self.epsilon, crop=False)
        kind, value = self.kind(), float(keep_middle(found).mean())
        values = [Value(f"{kind}_{network.name}", value, *middle(middles), n, protocol=protocol)]
        name = f"{kind}_per_distance_{network.name}"
        if (span := apart.mean()) > 0:
            limits = middle(middles / resampled_means(apart))
            values += [Value(name, value / span, *limits, n, protocol=protocol)]
        else:  # all images are one
            values += [Value(name, None, protocol=protocol)]
        return Result(values)

    def protocol(self, subject: Subject, network: Features, **more: Any) -> dict[str, Any]:
        """What its numbers depend on."""
        return subject.protocol(network, **more)

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
        size = max(samples.chunk // 2 // FEW * FEW, FEW)
        for first in range(0, BLOCK, size):
            ws = torch.cat([a[first : first + size], b[first : first + size]])
            images = g.synthesize(
                g.broadcast(ws), noise=[x.expand(len(ws), -1, -1, -1) for x in noise]
            )
            yield first, *images.chunk(2)

    def point(self, samples: Samples, block: int, t: Tensor) -> Tensor:
        """Where on their lines the pairs of a block are: w [BLOCK,w_dim] at ``t`` [BLOCK,1]."""
        if self.space == "w":
            return torch.lerp(samples.w(block), samples.w(block, end=1), t)
        g = samples.generator
        z = slerp(samples.z(block), samples.z(block, end=1), t)
        return g.truncate(g.map(z, samples.label(block)), samples.psi)
