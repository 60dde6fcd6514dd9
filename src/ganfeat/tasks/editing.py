"""Faces changed as a whole through their codes: a step that puts an attribute on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.metrics.measure import Result
from ganfeat.metrics.redraw import factors_of
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import Value, count_name, mean_value, not_applicable
from ganfeat.pages import sheets
from ganfeat.ranges import Names, Several
from ganfeat.tasks.linear import Array
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import Trial, check_known

STRENGTHS = (0.5, 1.0, 1.5, 2.0)


class GlobalEditing(Task):
    """``edited_<attribute><n>_<judge>``, ``edited_others<n>_<judge>``: a step in the codes.

    The step leads from the mean code of images of ``train`` without the attribute to that of images
    with it. Of the images of ``test`` in which the judge sees it not, drawn again, the share in
    which it sees it after the step; the length of the step is the one that does best on ``val``.
    Beside that, what it costs: by how many deviations of the data the other continuous factors
    change, as the judge reads them, on average over attributes and factors; those that mean
    something in some images alone are left out.

    Args:
        attributes: names of binary factors; None for those that the data name.
        n: images of ``test``, of which those without the attribute count.
        val: images of ``val``.
        train: images of ``train``.
    """

    better = {"edited": "higher", "edited_others": "lower"}
    draws, reads, extras = True, True, ("factors",)

    def __init__(
        self,
        attributes: Names | None = None,
        n: Several = 1000,
        val: Several = 500,
        train: Several = 10_000,
    ) -> None:
        self.attributes, self.n, self.val, self.train = attributes, n, val, train

    def lacks(self, trial: Trial) -> str:
        """Attributes."""
        named = trial.asked("edited", self.attributes)
        return super().lacks(trial) or ("" if named else "data that say what to edit")

    def check(self, trial: Trial) -> None:
        """The attributes must be there, and the images."""
        names = trial.asked("edited", self.attributes)
        check_known(names, trial.reader.columns, "editing", "binary")
        for part, n, least in (("train", self.train, 2), ("val", self.val, self.val),
                               ("test", self.n, self.n)):  # fmt: skip
            trial.enough(part, n, least)

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """A number per attribute and one for what it costs; a sheet: image, drawn, edited."""
        attributes = trial.asked("edited", self.attributes)
        steps = {attribute: self._step(trial, attribute) for attribute in attributes}
        tries = [Edit(name, step, by) for name, step in steps.items() for by in STRENGTHS]
        on_val = dict(zip(tries, self._tried(trial, "val", self.val, tries), strict=True))
        best = [
            max((edit for edit in tries if edit.attribute == name), key=lambda e: on_val[e].share)
            for name in attributes
        ]
        found = self._tried(trial, "test", self.n, best)
        protocol = trial.protocol(
            trial.reader, real=self.n, fitted_on=trial.learnt_from(self.train),
            chosen_on=self.val, strengths=STRENGTHS,
        )  # fmt: skip
        end = f"{count_name(self.n)}_{trial.reader.name}"
        values = [
            mean_value(f"edited_{edit.attribute}{end}", tried.hits, protocol)
            if len(tried.hits)
            else not_applicable(
                f"edited_{edit.attribute}{end}", f"an image without {edit.attribute}"
            )
            for edit, tried in zip(best, found, strict=True)
        ]
        costs = [tried.cost for tried in found if len(tried.hits)]
        mean = float(np.mean(costs)) if costs else None
        protocol = {**protocol, "attributes": attributes}
        values.append(Value(f"edited_others{end}", mean, n=self.n, protocol=protocol))
        arrays: dict[str, dict[str, float]] = {name: {} for name in attributes}
        for edit, tried in on_val.items():
            arrays[edit.attribute][str(edit.strength)] = tried.share
        pictures = sheets("editing", *(tried.images for tried in found))
        return Result(values, {"edited_on_val": arrays}, pictures)

    def _step(self, trial: Trial, attribute: str) -> dict[str, Tensor]:
        """The difference of the mean codes, by level."""
        seen = trial.seen("train", self.train)
        has = seen.truth["factors"][:, place(trial, attribute)] > 0.5
        if has.all() or not has.any():
            raise UserError(
                f"{'all' if has.any() else 'none'} of {len(has)} images of train have "
                f"{attribute}, and no step leads to it: choose a larger train, or other attributes"
            )
        device = trial.references.device
        return {
            level: torch.from_numpy(x[has].mean(axis=0) - x[~has].mean(axis=0)).float().to(device)
            for level, x in seen.levels.items()
        }

    def _tried(self, trial: Trial, part: str, n: int, edits: Sequence["Edit"]) -> list["Tried"]:
        """Edit ``n`` images of a part in each of these ways, and see what the judge sees."""
        columns, draw = trial.reader.columns, trial.rebuilder.draw
        width = len(columns)
        rows = Rows(n, (2 + len(edits)) * width, what="a factor").to(trial.references.device)
        shown: list[dict[str, Tensor]] = [{} for _ in edits]
        for numbers, batch in trial.batches(part, n, ("factors",), f"edits of {part}"):
            codes = trial.network.encode(batch["image"])
            drawn = [draw(codes), *(draw(edit.of(codes)) for edit in edits)]
            drawn = [images.clamp(-1, 1) for images in drawn]
            read = [factors_of(trial.reader, images) for images in drawn]
            rows.update(torch.cat([batch["factors"], *read], dim=1), numbers)
            if not shown[0]:
                for images, edit, edited in zip(shown, edits, drawn[1:], strict=True):
                    both = {"image": batch["image"], "drawn again": drawn[0]}
                    images |= {**both, edit.attribute: edited}
        truth, before, *after = np.split(rows.numpy(), 2 + len(edits), axis=1)
        found = []
        for edit, table, images in zip(edits, after, shown, strict=True):
            column = place(trial, edit.attribute)
            without = before[:, column] < 0.5
            others = [i for i, c in enumerate(columns) if c.kind == "continuous" and not c.needs]
            change = np.abs(table - before)[without][:, others] / truth[:, others].std(axis=0)
            hits = (table[without, column] > 0.5).astype(float)
            found.append(Tried(hits, float(change.mean()) if without.any() else 0.0, images))
        return found


@dataclass(frozen=True, eq=False)
class Edit:
    """A step in the codes that is to put an attribute on.

    Attributes:
        attribute: which.
        step: by level.
        strength: how many of it.
    """

    attribute: str
    step: Mapping[str, Tensor]
    strength: float

    def of(self, codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Codes after it."""
        return {level: x + self.strength * self.step[level] for level, x in codes.items()}


class Tried(NamedTuple):
    """What an edit did.

    Attributes:
        hits: whether the attribute is there now, of each image that had it not.
        cost: change of the continuous factors, in deviations.
        images: some, as they are drawn again, and edited; none where a process has none.
    """

    hits: Array
    cost: float
    images: Mapping[str, Tensor]

    @property
    def share(self) -> float:
        """Of the images that had it not; 0 where there are none."""
        return float(self.hits.mean()) if len(self.hits) else 0.0


def place(trial: Trial, factor: str) -> int:
    """The column of a factor."""
    return [column.name for column in trial.reader.columns].index(factor)
