"""A navigator to be measured, with steps that make its edits comparable.

Authors choose the length of a step by hand, for each method and even for each edit. Here every edit
goes as far as makes images look so much different, whatever its method calls a step
(methods/contrafeat.md, section 8 and trap 7).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganfeat.backbone.navigator import Navigator
from ganfeat.metrics.measure import Measurement, Result, Subject
from ganfeat.metrics.progress import Bar, silent
from ganfeat.metrics.rows import finite
from ganfeat.metrics.subject import BLOCK, Judge, Looks

TRIED = 32  # latents by which steps are calibrated
HALVINGS = 8  # of the interval in which a step lies, on a logarithmic scale
FAR, NEAR = 6.0, 0.006  # of how far w usually is from its mean, in the layer that is moved most


class Calibration(NamedTuple):
    """How far each edit goes.

    Attributes:
        steps: so far to both sides, [K].
        changes: mean perceptual distance of the two ends, as a share of that of random images, [K].
        reached: whether that is what was asked for; an edit that hardly changes anything stops at
            the longest step, [K] bool.
    """

    steps: Tensor
    changes: Tensor
    reached: Tensor


@dataclass(frozen=True)
class Edited:
    """A navigator on the samples of its generator.

    Attributes:
        navigator: in evaluation mode.
        subject: its generator, the judge and the real images.
        change: how different both ends of an edit are to look, as a share of two random images.
        bar: shows how far it is.
    """

    navigator: Navigator
    subject: Subject
    change: float = 0.25
    bar: Bar = silent
    _held: dict[int, tuple[Tensor, list[Tensor]]] = field(default_factory=dict)

    @property
    def judge(self) -> Judge:
        """The networks that measure."""
        return self.subject.judge

    @property
    def count(self) -> int:
        """Edits K."""
        return len(self.navigator.labels)

    @cached_property
    def calibration(self) -> Calibration:
        """The steps, found on the first samples. All processes find the same."""
        w, part = self.subject.samples.w(0), range(TRIED)
        advance = self.bar("steps", self.count * (HALVINGS + 2))
        whole = self.images(self.start(0, part)[:, None], 0, part)[:, 0]
        apart = self.distances(whole, whole.roll(1, dims=0)).mean()

        def change(steps: Tensor) -> Tensor:
            found = torch.zeros(self.count, device=steps.device)
            for some in self.batches(0, TRIED, 1 + 2 * self.count):
                _, ends = self.at_ends(0, some, steps)
                minus, plus = ends.chunk(2, dim=1)
                far = self.distances(minus.flatten(0, 1), plus.flatten(0, 1))
                found += far.view(len(some), self.count).sum(dim=0) / (TRIED * apart)
            advance(self.count)
            return found

        usual = self.navigator.steps_to(self.start(0, part), w.var(dim=0).sum().sqrt())
        with torch.no_grad():
            return calibrate(change, self.change, usual)

    def distances(self, a: Tensor, b: Tensor) -> Tensor:
        """How different images [N,3,R,R] look, [N]; as many at once as samples are."""
        pairs = zip(*(torch.split(x, self.subject.samples.chunk) for x in (a, b)), strict=True)
        return torch.cat([self.judge.perceptual.distance(*pair) for pair in pairs])

    def start(self, block: int, part: range) -> Tensor:
        """Latents of some samples of a block, [N,L,D]."""
        ws, _ = self._block(block)
        return ws[part.start : part.stop]

    def _block(self, block: int) -> tuple[Tensor, list[Tensor]]:
        """Latents and noise of a block; the last one is kept."""
        if block not in self._held:
            samples = self.subject.samples
            self._held.clear()
            self._held[block] = samples.generator.broadcast(samples.w(block)), samples.noise(block)
        return self._held[block]

    def moves(self, ws: Tensor, steps: Tensor | None = None) -> Tensor:
        """Edits [N,K,L,D] of ``ws``, as long as ``steps`` [K] or as they are."""
        edits = self.navigator.edits(ws)
        return edits if steps is None else edits * steps[:, None, None]

    def images(self, ws: Tensor, block: int, part: range) -> Tensor:
        """Images of several latents [N,M,L,D] of each of these samples, with its noise.

        Returns:
            [N,M,3,R,R] in [-1,1].
        """
        _, noise = self._block(block)
        return self.drawn(ws, [x[part.start : part.stop] for x in noise])

    def drawn(self, ws: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """The same with this noise [N,1,r,r], as many at once as samples are."""
        many, samples = ws.shape[1], self.subject.samples
        parts = []
        for at in torch.split(torch.arange(len(ws) * many), samples.chunk):
            some = [x[at // many] for x in noise]
            parts.append(samples.generator.synthesize(ws.flatten(0, 1)[at], noise=some))
        images = finite(torch.cat(parts), "an edited image").clamp(-1, 1)
        return images.view(len(ws), many, *images.shape[1:])

    def batches(self, block: int, n: int, many: int) -> Iterator[range]:
        """Those of the first ``n`` samples in this block, as many at once as make ``many`` each."""
        size = max(1, self.subject.samples.chunk // many)
        inside = min(BLOCK, n - block * BLOCK)
        for first in range(0, inside, size):
            yield range(first, min(first + size, inside))

    def blocks(self, n: int) -> range:
        """This process's share of the blocks of ``n`` samples."""
        return range(self.subject.rank, -(-n // BLOCK), self.subject.ranks)

    def at_ends(self, block: int, part: range, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Images of samples, [N,3,R,R], and at both ends of every edit, minus first: [N,2K,...]."""
        ws = self.start(block, part)
        moves = self.moves(ws, steps)
        every = torch.cat([ws[:, None], ws[:, None] - moves, ws[:, None] + moves], dim=1)
        images = self.images(every, block, part)
        return images[:, 0], images[:, 1:]

    def protocol(self, *networks: Any, **more: Any) -> dict[str, Any]:
        """What a number depends on beside the navigator."""
        looks = self.judge.perceptual
        return self.subject.protocol(looks, *networks, edits=self.count, change=self.change, **more)


def calibrate(change: Callable[[Tensor], Tensor], wanted: float, usual: Tensor) -> Calibration:
    """Steps [K] at which ``change`` is what is wanted, where it grows with the step.

    Args:
        change: of steps [K].
        wanted: how much.
        usual: the step of each edit that moves a layer's w as far as it usually is from its mean,
            [K].
    """
    low, high = NEAR * usual, FAR * usual
    ends = change(high)
    reached = ends >= wanted
    for _ in range(HALVINGS):
        between = (low * high).sqrt()
        enough = change(between) >= wanted
        low, high = torch.where(enough, low, between), torch.where(enough, between, high)
    steps = torch.where(reached, (low * high).sqrt(), FAR * usual)
    return Calibration(steps, torch.where(reached, change(steps), ends), reached)


class OfNavigator(Measurement):
    """Measures a navigator.

    Attributes:
        needs: what a judge must have for it, for the message where it has not.
    """

    needs = "nothing"

    def applies(self, judge: Judge) -> bool:
        """Whether this judge can do it."""
        return True

    def check(self, edited: Edited) -> None:
        """Refuse what is known to be impossible before anything is computed.

        Raises:
            UserError: says what is too few or unknown.
        """

    def result(self, edited: Edited) -> Result:
        """Do it all, or what is left after a pass over ends."""
        raise NotImplementedError


class OfAttributes(OfNavigator):
    """Measures what edits do to attributes."""

    needs = "a judge that scores attributes"

    def applies(self, judge: Judge) -> bool:
        """Where attributes can be scored."""
        return judge.attributes is not None


class OfEnds(OfNavigator):
    """Measures images at both ends of edits, so that one pass feeds all that do.

    Attributes:
        n: of how many samples.
    """

    n: int

    def start(self, edited: Edited) -> None:
        """Before the first batch."""
        raise NotImplementedError

    def look(self, samples: Looks, ends: Looks) -> None:
        """See samples [N,...] and the ends of their edits, [N*2K,...], those of a sample together.

        Of each, the K that step back come first. ``numbers`` of both are those of the samples.
        """
        raise NotImplementedError


@torch.no_grad()
def pass_over_ends(edited: Edited, measurements: Sequence[OfEnds]) -> None:
    """Show the ends of edits to all of them."""
    most = max(m.n for m in measurements)
    steps = edited.calibration.steps
    advance = edited.bar("edits", most // edited.subject.ranks)
    for measurement in measurements:
        measurement.start(edited)
    for block in edited.blocks(most):
        for part in edited.batches(block, most, 1 + 2 * edited.count):
            numbers = torch.arange(part.start, part.stop) + block * BLOCK
            images, ends = edited.at_ends(block, part, steps)
            samples = Looks(images, numbers, edited.judge)
            seen = Looks(ends.flatten(0, 1), numbers, edited.judge)
            for measurement in measurements:
                if int(numbers[-1]) < measurement.n:
                    measurement.look(samples, seen)
                elif (inside := int((numbers < measurement.n).sum())) > 0:
                    kept = numbers[:inside]
                    some = ends[:inside].flatten(0, 1)
                    measurement.look(
                        Looks(images[:inside], kept, edited.judge), Looks(some, kept, edited.judge)
                    )
            advance(len(numbers))
