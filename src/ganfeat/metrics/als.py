"""Attribute linearity score: how evenly attributes change along a path (HSR, Karmali et al. 2022).

From the authors' released evaluation; the paper's text was not at hand. 0 is a straight line.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features import AttributeScorer
from ganfeat.metrics.measure import OfGenerator, Result, Subject
from ganfeat.metrics.progress import Progress
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import BLOCK, Judge, Samples
from ganfeat.metrics.value import Value, middle, resampled_means

Array = NDArray[np.float64]
FRAMES = 11


class Linearity(NamedTuple):
    """What `linearity` finds, for C attributes along paths of T frames.

    Attributes:
        curve: mean over paths of the absolute deviation, [T,C].
        spread: its standard deviation over paths, [T,C].
        score: sum over frames of the squared curve, [C]: the score that the authors print.
        area: area under the curve over [0, 1], [C].
        mean: mean of the curve over frames, [C].
    """

    curve: Array
    spread: Array
    score: Array
    area: Array
    mean: Array


def deviations(scores: Array, sigma: Array | None = None) -> Array:
    """Distance of each frame from the straight line between its path's ends, [P,T,C].

    Args:
        scores: raw attribute scores (logits) [P paths, T frames, C attributes].
        sigma: what a deviation is divided by, [C]; None takes this model's own standard deviation
            over all frames of all paths. Models are comparable where they share one.
    """
    sigma = scores.std(axis=(0, 1)) if sigma is None else sigma
    t = np.linspace(0, 1, scores.shape[1])[None, :, None]
    line = (1 - t) * scores[:, :1] + t * scores[:, -1:]
    return np.divide(line - scores, sigma, out=np.zeros_like(scores), where=sigma > 0)


def linearity(scores: Array, sigma: Array | None = None) -> Linearity:
    """The score and its two relatives; the square is taken after the mean over paths."""
    absolute = np.abs(deviations(scores, sigma))
    curve = absolute.mean(axis=0)
    return Linearity(curve, absolute.std(axis=0), **aggregates(curve))


def aggregates(curve: Array) -> dict[str, Array]:
    """The three scalars of curves [...,T,C], each [...,C]."""
    return {
        "score": np.square(curve).sum(axis=-2),
        "area": np.trapezoid(curve, dx=1 / (curve.shape[-2] - 1), axis=-2),
        "mean": curve.mean(axis=-2),
    }


class OfPaths(OfGenerator):
    """Measures attributes along straight lines in W between random ends.

    Attributes:
        paths: number of paths, of 11 images each.
    """

    paths: int

    def applies(self, judge: Judge) -> bool:
        """Where attributes can be scored."""
        return judge.attributes is not None

    def images(self) -> int:
        """11 for each path."""
        return FRAMES * self.paths

    def along(
        self, subject: Subject, progress: Progress, look: Callable[[Tensor], Tensor], *width: int
    ) -> Array:
        """What ``look`` says of the frames of every path: [11,3,R,R] -> [11,*width], stacked."""
        rows = Rows(self.paths, FRAMES, *width).to(subject.samples.device)
        for block in range(subject.rank, -(-self.paths // BLOCK), subject.ranks):
            for number, frames in straight_paths(subject.samples, block, self.paths):
                rows.update(look(frames)[None], torch.tensor([number]))
                progress(FRAMES)
        return rows.compute().double().numpy()


class ALS(OfPaths):
    """``als_<network>`` along straight lines in W between random ends, with all its relatives.

    ``als`` divides by the standard deviation of an attribute over the model's own frames, as the
    authors do, and cannot see a change of scale; ``als_shared`` divides by that over real images,
    the same for all models. ``area`` and ``mean`` are the other two aggregates of the curve.

    Args:
        paths: number of paths.
        attributes: those to score; None for all that one number describes.
    """

    def __init__(self, paths: int = 500, attributes: Sequence[str] | None = None) -> None:
        self.paths, self.attributes = paths, attributes

    @torch.no_grad()
    def result(self, subject: Subject, progress: Progress) -> Result:
        """Mean over attributes of each aggregate and sigma; curves for each attribute."""
        network = subject.judge.attributes
        assert network is not None
        names = attribute_names(network, self.attributes)
        look = partial(scores_of, network, names=names)
        scores = self.along(subject, progress, look, len(names))
        own = scores.std(axis=(0, 1))
        truth = [scores_of(network, x, names) for x in subject.real_images(REAL)]
        real = torch.cat(truth).double().cpu().numpy().std(axis=0)
        protocol = subject.protocol(
            network, real=REAL, attributes=names, frames=FRAMES, path="w, straight"
        )
        values: list[Value] = []
        arrays = {}
        for sigma, end in ((own, ""), (real, "_shared")):
            found = linearity(scores, sigma)
            again = aggregates(resampled_means(np.abs(deviations(scores, sigma))))
            for kind, resampled in again.items():
                name = f"als{'' if kind == 'score' else f'_{kind}'}{end}_{network.name}"
                value, limits = getattr(found, kind).mean(), middle(resampled.mean(axis=1))
                values += [Value(name, float(value), *limits, self.paths, protocol=protocol)]
            arrays[f"als{end}_curve"] = found.curve.T.tolist()
            arrays[f"als{end}_spread"] = found.spread.T.tolist()
        return Result(values, {"als_attributes": names, **arrays})


REAL = 2000  # images that the shared sigma comes from


def attribute_names(network: AttributeScorer, wanted: Sequence[str] | None) -> list[str]:
    """The attributes to score: ``wanted``, or every one that one number describes."""
    for name in wanted or ():
        if name not in network.attributes:
            raise UserError(
                f"{network.name} has no single score for {name!r}: choose from "
                f"{', '.join(network.attributes)}"
            )
    return list(wanted or network.attributes)


def scores_of(network: AttributeScorer, images: Tensor, names: list[str]) -> Tensor:
    """Raw scores [N,C] of these attributes."""
    scores = network.scores(images)
    return torch.cat([scores[name] for name in names], dim=1)


def straight_paths(samples: Samples, block: int, paths: int) -> Iterator[tuple[int, Tensor]]:
    """Those of ``paths`` that are in one block: a path's number, and its frames [11,3,R,R].

    All frames of a path get the same noise.
    """
    g = samples.generator
    t = torch.linspace(0, 1, FRAMES, device=samples.device)[:, None]
    starts, ends, noise = samples.w(block), samples.w(block, end=1), samples.noise(block)
    for i in range(min(BLOCK, paths - block * BLOCK)):
        ws = g.broadcast(torch.lerp(starts[i, None], ends[i, None], t))
        own = [x[i : i + 1].expand(FRAMES, -1, -1, -1) for x in noise]
        yield block * BLOCK + i, g.synthesize(ws, noise=own)
