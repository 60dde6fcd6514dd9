"""Attribute linearity score: how evenly attributes change along a path (HSR, Karmali et al. 2022).

From the authors' released evaluation; the paper's text was not at hand. 0 is a straight line.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features import AttributeScorer, Features
from ganfeat.files import expanded
from ganfeat.metrics.measure import OfGenerator, Result, Subject
from ganfeat.metrics.progress import Progress
from ganfeat.metrics.rows import Rows, finite
from ganfeat.metrics.subject import BLOCK, Judge, Samples
from ganfeat.metrics.value import Value, middle, resampled_means
from ganfeat.ranges import Count, Positive

log = logging.getLogger(__name__)

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
    """Measures attributes along straight lines in W, between random ends or along an edit.

    Args:
        paths: number of paths, of 11 images each.
        direction: a file of numpy's with a direction in W [w_dim] or W+ [num_ws,w_dim]; paths then
            lead from ``w - reach * direction`` to ``w + reach * direction``. None for random ends.
        reach: how far they lead.
    """

    needs = "a judge that scores attributes"

    def __init__(self, paths: Count, direction: str | None = None, reach: Positive = 3.0) -> None:
        self.paths, self.reach = paths, reach
        self.direction = None if direction is None else read_direction(Path(direction))
        self.along_what = "" if direction is None else f"_{Path(direction).stem}"

    def applies(self, judge: Judge) -> bool:
        """Where attributes can be scored."""
        return judge.attributes is not None

    def check(self, subject: Subject) -> None:
        """A direction must fit the generator."""
        g = subject.samples.generator
        fitting = ([g.w_dim], [1, g.w_dim], [g.num_ws, g.w_dim])
        if self.direction is not None and list(self.direction.shape) not in fitting:
            raise UserError(
                f"the direction has shape {list(self.direction.shape)}; this generator has a W of "
                f"{g.w_dim} numbers and a W+ of {[g.num_ws, g.w_dim]}"
            )

    def images(self) -> int:
        """11 for each path."""
        return FRAMES * self.paths

    def path(self) -> dict[str, Any]:
        """Where paths lead, for the protocol."""
        if self.direction is None:
            return {"path": "w, straight, random ends", "paths": self.paths, "frames": FRAMES}
        digest = hashlib.sha256(self.direction.numpy().tobytes()).hexdigest()
        return {
            "path": "w, along a direction",
            "direction": digest,
            "reach": self.reach,
            "paths": self.paths,
            "frames": FRAMES,
        }

    def ends(self, samples: Samples, block: int) -> tuple[Tensor, Tensor]:
        """Where the paths of a block begin and end, ws [BLOCK,num_ws,w_dim] each."""
        g = samples.generator
        start = g.broadcast(samples.w(block))
        if self.direction is None:
            return start, g.broadcast(samples.w(block, end=1))
        shift = self.reach * self.direction.to(start)
        return start - shift, start + shift

    def frames(self, subject: Subject, block: int, part: slice) -> Tensor:
        """The images of some paths of a block, one path after the other: [P*11,3,R,R].

        All frames of a path get the same noise.
        """
        g, (starts, ends) = subject.samples.generator, self.ends(subject.samples, block)
        t = torch.linspace(0, 1, FRAMES, device=starts.device)[:, None, None]
        ws = torch.lerp(starts[part, None], ends[part, None], t).flatten(0, 1)
        noise = [x[part].repeat_interleave(FRAMES, dim=0) for x in subject.samples.noise(block)]
        return finite(g.synthesize(ws, noise=noise), "an image on a path").clamp(-1, 1)

    def along(
        self, subject: Subject, progress: Progress, look: Callable[[Tensor], Tensor], *width: int
    ) -> Array:
        """What ``look`` says ([N,3,R,R] -> [N,*width]) of all paths' frames: [P,11,*width]."""
        rows = Rows(self.paths, FRAMES, *width, what="an attribute score")
        rows = rows.to(subject.samples.device)
        size = max(1, subject.samples.chunk // FRAMES)
        for block in range(subject.rank, -(-self.paths // BLOCK), subject.ranks):
            inside = min(BLOCK, self.paths - block * BLOCK)
            for first in range(0, inside, size):
                part = slice(first, min(first + size, inside))
                seen = look(self.frames(subject, block, part))
                seen = seen.view(-1, FRAMES, *seen.shape[1:])
                rows.update(seen, torch.arange(part.start, part.stop) + block * BLOCK)
                progress(FRAMES * len(seen))
        return rows.numpy()


class ALS(OfPaths):
    """``als_<network>`` along straight lines in W, with all its relatives.

    ``als`` divides by the standard deviation of an attribute over the model's own frames, as the
    authors do, and cannot see a change of scale; ``als_shared`` divides by that over real images,
    the same for all models. An attribute that does not change along any path is left out and named;
    where none does, there is no score. ``area`` and ``mean`` are the other two aggregates of the
    curve. Along a direction, its file's name stands in that of the metric.

    Args:
        paths: number of paths.
        attributes: those to score; None for all that one number describes.
        direction, reach: as in `OfPaths`.
    """

    better = {"als": "lower"}

    def __init__(
        self,
        paths: Count = 500,
        attributes: Sequence[str] | None = None,
        direction: str | None = None,
        reach: Positive = 3.0,
    ) -> None:
        super().__init__(paths, direction, reach)
        self.attributes = attributes

    def check(self, subject: Subject) -> None:
        """The attributes must be known, and a direction must fit."""
        super().check(subject)
        network = subject.judge.attributes
        assert network is not None
        scores_of(network, subject.blank(), attribute_names(network, self.attributes))

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
        if still := [name for name, deviation in zip(names, real, strict=True) if deviation == 0]:
            raise UserError(
                f"{network.name} gives all real images the same score for {', '.join(still)}: a "
                "deviation cannot be counted in it; leave it out of attributes"
            )
        protocol = self.protocol(subject, network, real=REAL, attributes=names, **self.path())
        values: list[Value] = []
        arrays: dict[str, Any] = {}
        moves = own > STILL * real
        if not moves.all():
            log.warning(
                "ALS leaves out %s: they do not change along any path",
                ", ".join(np.array(names)[~moves]),
            )
        names = [name for name, does in zip(names, moves, strict=True) if does]
        if not names:
            return Result([Value(f"als{self.along_what}_{network.name}", None, protocol=protocol)])
        scores, own, real = scores[..., moves], own[moves], real[moves]
        for sigma, end in ((own, ""), (real, "_shared")):
            found = linearity(scores, sigma)
            again = aggregates(resampled_means(np.abs(deviations(scores, sigma))))
            for kind, resampled in again.items():
                which = f"{'' if kind == 'score' else f'_{kind}'}{end}{self.along_what}"
                value, limits = getattr(found, kind).mean(), middle(resampled.mean(axis=1))
                name = f"als{which}_{network.name}"
                values += [Value(name, float(value), *limits, self.paths, protocol=protocol)]
            arrays[f"als{end}{self.along_what}_curve"] = found.curve.T.tolist()
            arrays[f"als{end}{self.along_what}_spread"] = found.spread.T.tolist()
        return Result(values, {f"als{self.along_what}_attributes": names, **arrays})

    def protocol(self, subject: Subject, network: Features, **more: Any) -> dict[str, Any]:
        """What its numbers depend on."""
        return subject.protocol(network, **more)


REAL = 2000  # images that the shared sigma comes from
STILL = 1e-6  # an attribute that varies less, by that of real images, does not change


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
    """Raw scores [N,C] of these attributes.

    Raises:
        UserError: one of them is not finite.
    """
    scores = network.scores(images)
    return finite(torch.cat([scores[name] for name in names], dim=1), "an attribute score")


def read_direction(path: Path) -> Tensor:
    """A direction from a file of numpy's; nothing in it is executed."""
    try:
        found = np.load(expanded(path), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path} cannot be read as a direction ({error}): save it with numpy.save"
        ) from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        raise UserError(f"{path} holds no array of real numbers: save it with numpy.save")
    direction = torch.from_numpy(np.atleast_1d(found).astype(np.float32))
    if not torch.isfinite(direction).all() or not direction.any():
        raise UserError(f"{path} is no direction: it is zero, or not finite")
    return direction
