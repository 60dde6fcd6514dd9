"""Faces changed through their codes: as a whole, and at one place alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.metrics.measure import Result
from ganfeat.metrics.progress import Progress
from ganfeat.metrics.redraw import factors_of
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import Value, mean_value
from ganfeat.pictures import image_grid
from ganfeat.ranges import Several
from ganfeat.tasks.linear import Array
from ganfeat.tasks.task import Task, Trial

SHOWN = 10  # images in a picture
STRENGTHS = (0.5, 1.0, 1.5, 2.0)


class GlobalEditing(Task):
    """``edited_<attribute>`` and ``edited_others``: attributes put on by a step in the codes.

    The step leads from the mean code of images of ``train`` without the attribute to that of images
    with it. Of the images of ``test`` in which the judge sees it not, drawn again, the share in
    which it sees it after the step; the length of the step is the one that does best on ``val``.
    Beside that, what it costs: by how many deviations of the data the other continuous factors
    change, as the judge reads them, on average over attributes and factors.

    Args:
        attributes: names of binary factors.
        n: images of ``test``, of which those without the attribute count.
        val: images of ``val``.
        train: images of ``train``.
    """

    draws, reads, extras = True, True, ("factors",)

    def __init__(
        self,
        attributes: Sequence[str] = ("glasses", "beard", "hat"),
        n: Several = 1000,
        val: Several = 500,
        train: Several = 10_000,
    ) -> None:
        self.attributes, self.n, self.val, self.train = list(attributes), n, val, train

    def check(self, trial: Trial) -> None:
        """The attributes must be there."""
        binary = [c.name for c in trial.reader.columns if c.kind == "binary"]
        if unknown := [name for name in self.attributes if name not in binary]:
            raise UserError(f"editing {unknown[0]}: it must be one of {', '.join(binary)}")

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """A number per attribute and one for what it costs; a sheet: image, drawn, edited."""
        names = [column.name for column in trial.reader.columns]
        tries = len(self.attributes) * (len(STRENGTHS) * self.val + self.n)
        advance = trial.bar("edits", tries // trial.references.ranks)
        protocol = trial.protocol(
            trial.reader, real=self.n, train=self.train, chosen_on=self.val, strengths=STRENGTHS
        )
        values, costs, shown = [], [], []
        arrays: dict[str, dict[str, float | None]] = {}
        for attribute in self.attributes:
            edit = Edit(trial, names.index(attribute), self._step(trial, names.index(attribute)))
            on_val = [edit.tried("val", self.val, s, advance) for s in STRENGTHS]
            best = max(range(len(STRENGTHS)), key=lambda i: on_val[i].share or 0)
            found = edit.tried("test", self.n, STRENGTHS[best], advance)
            name = f"edited_{attribute}"
            put_on = len(found.hits) > 0
            values.append(mean_value(name, found.hits, protocol) if put_on else Value(name, None))
            costs += [found.cost] if put_on else []
            arrays[attribute] = {str(s): t.share for s, t in zip(STRENGTHS, on_val, strict=True)}
            shown.append(found.picture)
        mean = float(np.mean(costs)) if costs else None
        values.append(Value("edited_others", mean, n=self.n, protocol=protocol))
        sheet = image_grid(torch.cat(shown), SHOWN)
        return Result(values, {"edited_on_val": arrays}, {"editing": sheet})

    def _step(self, trial: Trial, column: int) -> dict[str, Tensor]:
        """The difference of the mean codes, by level."""
        seen = trial.seen("train", self.train)
        has = seen.truth["factors"][:, column] > 0.5
        device = trial.references.device
        return {
            level: torch.from_numpy(x[has].mean(axis=0) - x[~has].mean(axis=0)).float().to(device)
            for level, x in seen.levels.items()
        }


class Tried(NamedTuple):
    """What an edit did.

    Attributes:
        hits: whether the attribute is there now, of each image that had it not.
        cost: change of the other continuous factors, in deviations.
        picture: images, drawn again, edited.
    """

    hits: Array
    cost: float
    picture: Tensor

    @property
    def share(self) -> float | None:
        """Of the images that had it not."""
        return float(self.hits.mean()) if len(self.hits) else None


@dataclass(frozen=True)
class Edit:
    """A step in the codes that is to put an attribute on.

    Attributes:
        trial: whose codes.
        column: of the attribute in the factor table.
        step: by level.
    """

    trial: Trial
    column: int
    step: Mapping[str, Tensor]

    def tried(self, part: str, n: int, strength: float, advance: Progress) -> Tried:
        """Edit ``n`` images of a part, and see."""
        trial, columns = self.trial, self.trial.reader.columns
        rows = Rows(n, 3 * len(columns), what="a factor").to(trial.references.device)
        shown: list[Tensor] = []
        for numbers, batch in trial.references.share(n, ("factors",), part):
            codes = trial.network.encode(batch["image"])
            edited = {level: x + strength * self.step[level] for level, x in codes.items()}
            drawn = [trial.rebuilder.draw(x).clamp(-1, 1) for x in (codes, edited)]
            read = [factors_of(trial.reader, images) for images in drawn]
            rows.update(torch.cat([*read, batch["factors"]], dim=1), numbers)
            if not shown:
                shown = [batch["image"][:SHOWN], *(images[:SHOWN] for images in drawn)]
            advance(len(numbers))
        before, after, truth = np.split(rows.numpy(), 3, axis=1)
        without = before[:, self.column] < 0.5
        others = [i for i, c in enumerate(columns) if c.kind == "continuous" and i != self.column]
        change = np.abs(after - before)[without][:, others] / truth[:, others].std(axis=0)
        cost = float(change.mean()) if without.any() else 0.0
        return Tried((after[without, self.column] > 0.5).astype(float), cost, torch.cat(shown))


class LocalEditing(Task):
    """``local_edit``: mean change inside the mouth over that outside, when A gets B's styles there.

    In the layers of one resolution B's styles act inside a box around A's mouth, A's outside. The
    resolution is the one whose ratio is highest on ``val``; the arrays have all.

    Args:
        corners: the numbers of the landmarks at the corners of the mouth.
        n: pairs of ``test``.
        val: pairs of ``val``.
    """

    draws, extras = True, ("landmarks",)

    def __init__(
        self, corners: Sequence[int] = (5, 6), n: Several = 1000, val: Several = 300
    ) -> None:
        self.corners, self.n, self.val = list(corners), n, val

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """A number, and a sheet: A, B, A with B's mouth at each resolution."""
        sides = sorted({*trial.rebuilder.resolutions.values()})
        on_val = {side: self._changes(trial, "val", self.val, side) for side in sides}
        ratios = {side: ratio(*changes[0]) for side, changes in on_val.items()}
        best = max(ratios, key=lambda side: ratios[side])
        found = {side: self._changes(trial, "test", self.n, side) for side in sides}
        inside, outside = found[best][0]
        protocol = trial.protocol(real=2 * self.n, chosen_on=self.val)
        value = Value("local_edit", ratio(inside, outside), n=self.n, protocol=protocol)
        arrays = {f"{side} px": ratio(*changes[0]) for side, changes in found.items()}
        first, second, own, _ = found[sides[0]][1]
        rows = [first, second, own, *(found[side][1][3] for side in sides)]
        sheet = image_grid(torch.cat(rows), SHOWN)
        return Result([value], {"local_edit": arrays}, {"local_editing": sheet})

    def _changes(
        self, trial: Trial, part: str, n: int, side: int
    ) -> tuple[tuple[Array, Array], list[Tensor]]:
        """Mean changes [n] inside and outside, and some images."""
        levels = [k for k, at in trial.rebuilder.resolutions.items() if at == side]
        rows = Rows(n, 2, what="a change").to(trial.references.device)
        shown: list[Tensor] = []
        for numbers, one, other in trial.pairs(part, n, self.extras, "local edits"):
            first, second = one["image"], other["image"]
            box = self._box(one["landmarks"], first)
            codes, theirs = (trial.network.encode(images) for images in (first, second))
            own = trial.rebuilder.draw(codes).clamp(-1, 1)
            blended = trial.rebuilder.blend(codes, theirs, levels, box).clamp(-1, 1)
            change = (blended - own).abs().mean(dim=1, keepdim=True)
            parts = [(change * m).sum([1, 2, 3]) / m.sum([1, 2, 3]) for m in (box, 1 - box)]
            rows.update(torch.stack(parts, dim=1), numbers)
            if not shown:
                shown = [x[:SHOWN] for x in (first, second, own, blended)]
        inside, outside = rows.numpy().T
        return (inside, outside), shown

    def _box(self, points: Tensor, images: Tensor) -> Tensor:
        """A box around the mouth, [N,1,R,R]: 1.5 times as wide, as high as the mouth is wide."""
        left, right = (points[:, i] for i in self.corners)
        middle = (left + right) / 2
        width = (right - left).norm(dim=1).clamp(min=3)[:, None, None]
        at = torch.arange(images.shape[-1], device=images.device) + 0.5
        across = (at[None, None, :] - middle[:, 0, None, None]).abs() <= 0.75 * width
        along = (at[None, :, None] - middle[:, 1, None, None]).abs() <= 0.5 * width
        box: Tensor = (across & along)[:, None]
        return box.to(images.dtype)


def ratio(inside: Array, outside: Array) -> float:
    """The mean of one over that of the other."""
    return float(inside.mean() / max(outside.mean(), 1e-12))
