"""The floor of ALS and PPL: what they are along paths that the renderer draws (SynthFaces).

A path leads from one real face to another on a straight line of all continuous factors; whatever
else there is stays as it is in the first. What the judge and the two measures make of such a path
is what no generator is asked to be better than.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ganfeat.features import Features
from ganfeat.metrics.als import ALS, FRAMES
from ganfeat.metrics.measure import Subject
from ganfeat.metrics.ppl import PPL
from ganfeat.metrics.subject import BLOCK, Judge
from ganfeat.ranges import Count, Positive, Several


class DrawnALS(ALS):
    """``als_drawn_<network>`` and its relatives.

    Args:
        paths: number of paths.
    """

    better = {"als": None}
    needs = "a judge that reads factors, and data that have them"

    def __init__(self, paths: Count = 500) -> None:
        super().__init__(paths)
        self.along_what = "_drawn"

    def applies(self, judge: Judge) -> bool:
        """Where there are factors."""
        return judge.factors is not None

    def protocol(self, subject: Subject, network: Features, **more: Any) -> dict[str, Any]:
        """No generator has to do with it."""
        return subject.references.protocol(network, **more)

    def path(self) -> dict[str, object]:
        """See `OfPaths.path`."""
        return {"path": "drawn, straight", "paths": self.paths, "frames": FRAMES}

    def frames(self, subject: Subject, block: int, part: slice) -> Tensor:
        """See `OfPaths.frames`."""
        starts, ends = (table[part, None] for table in faces(subject, block))
        t = torch.linspace(0, 1, FRAMES, device=starts.device)[:, None]
        return draw(subject, between(subject, starts, ends, t).flatten(0, 1))


class DrawnPPL(PPL):
    """``ppl_drawn_<network>``, at the beginning of paths.

    Args:
        pairs: number of pairs.
        epsilon: the step.
    """

    better = {"ppl": None}
    needs = "a judge that reads factors, and data that have them"

    def __init__(self, pairs: Several = 10_000, epsilon: Positive = 1e-4) -> None:
        super().__init__(pairs, epsilon=epsilon)

    def applies(self, judge: Judge) -> bool:
        """Where there are factors."""
        return judge.factors is not None

    def protocol(self, subject: Subject, network: Features, **more: Any) -> dict[str, Any]:
        """No generator has to do with it; the faces are those of as many paths."""
        return subject.references.protocol(network, real=2 * self.pairs, **more)

    def kind(self) -> str:
        """See `PPL.kind`."""
        return "ppl_drawn"

    def ends(self, subject: Subject, block: int) -> Iterator[tuple[int, Tensor, Tensor]]:
        """See `PPL.ends`."""
        starts, ends = faces(subject, block)
        near = between(subject, starts, ends, torch.tensor(self.epsilon, device=starts.device))
        yield 0, draw(subject, starts), draw(subject, near)


def faces(subject: Subject, block: int) -> tuple[Tensor, Tensor]:
    """Factor tables [BLOCK,F] of the real faces at which the paths of a block begin and end."""
    first = 2 * BLOCK * block
    data = subject.references.real(first + 2 * BLOCK, ["factors"])
    found = data.__getitems__(range(first, first + 2 * BLOCK))["factors"]
    starts, ends = found.to(subject.samples.device).chunk(2)
    return starts, ends


def between(subject: Subject, starts: Tensor, ends: Tensor, t: Tensor) -> Tensor:
    """Factor tables [...,F] at ``t`` of the way."""
    assert subject.judge.factors is not None
    kinds = [column.kind == "continuous" for column in subject.judge.factors.columns]
    return torch.where(
        torch.tensor(kinds, device=starts.device), torch.lerp(starts, ends, t), starts
    )


def draw(subject: Subject, table: Tensor) -> Tensor:
    """The faces of a table, without grain."""
    drawn: Tensor = subject.references.data.redraw(table, subject.samples.generator.resolution)
    return drawn
