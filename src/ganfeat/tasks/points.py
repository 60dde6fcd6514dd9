"""Points by linear regression from a level: landmarks of faces, the layout of rooms."""

from typing import Any

import numpy as np
import torch

from ganfeat.metrics.measure import Result
from ganfeat.metrics.value import count_name, mean_value
from ganfeat.pages import curves
from ganfeat.ranges import Several, Two
from ganfeat.tasks.linear import Array, Chosen, Linear, best_level, choose
from ganfeat.tasks.task import Reading
from ganfeat.tasks.trial import EVERYTHING, Seen, Trial


class Points(Reading):
    """The mean distance of points to where a linear regression sees them, over a distance.

    Level and strength of the ridge are chosen on ``val``; ``<name>_all`` is from all levels in one
    row. The arrays have the error of all levels, and of the mean of the points of ``train``, which
    is what there is without an image.

    Args:
        n: images of ``train``, and of ``test``.
        val: images of ``val``.
    """

    name = "points"
    what = "points"

    def unit(self, points: Array, side: int) -> Array:
        """What a distance of 1 is in images of ``side`` px with these points [n,P,2]: [n]."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """What a number depends on beside images."""
        return {"unit": self.what}

    def tried_on(self, trial: Trial) -> Trial:
        """Where the images of ``test`` are from."""
        return trial

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """The errors of the chosen level and of all levels."""
        there = self.tried_on(trial)
        train, val = trial.seen("train", self.n), trial.seen("val", self.val)
        test = there.seen("test", self.n)
        found, together = (
            {level: self._read(trial, level, train, val, test) for level in levels}
            for levels in ([*train.levels], [EVERYTHING])
        )
        best = best_level(found)
        errors = {level: -chosen.test for level, chosen in found.items()}
        side = trial.references.data.resolution
        blind = np.broadcast_to(self._flat(train).mean(axis=0), self._flat(test).shape)
        of_mean = float(self._errors(blind, test, side).mean())
        protocol = there.protocol(
            real=self.n, fitted_on=trial.learnt_from(self.n), chosen_on=self.val, **self.settings(),
        )  # fmt: skip
        end = count_name(len(test.truth[self.extras[0]]))
        values = [
            mean_value(f"{name}{end}", self._errors(said.predicted, test, side), protocol)
            for name, said in (
                (self.name, found[best]),
                (f"{self.name}_all", together[EVERYTHING]),
            )
        ]
        arrays: dict[str, Any] = {
            f"levels/{self.name}": errors,
            f"levels/{self.name}_best": best,
            f"{self.name}_penalty": found[best].strength,
            f"{self.name}_of_the_mean": of_mean,
        }
        title = f"{self.name.capitalize().replace('_', ' ')} from each level"
        picture = curves({self.name: errors}, self.what, title, {"mean of the points": of_mean})
        return Result(values, arrays, {self.name: picture})

    def _flat(self, seen: Seen) -> Array:
        points = seen.truth[self.extras[0]]
        return points.reshape(len(points), -1)

    def _read(self, trial: Trial, level: str, train: Seen, val: Seen, test: Seen) -> Chosen:
        side, parts = trial.references.data.resolution, {"val": val, "test": test}
        return choose(
            Linear(train.row(level)), self._flat(train), val.row(level), test.row(level),
            lambda said, part: -float(self._errors(said, parts[part], side).mean()),
        )  # fmt: skip

    def _errors(self, said: Array, seen: Seen, side: int) -> Array:
        """Mean distance of the points of each image in its unit, [n]."""
        truth = seen.truth[self.extras[0]]
        distances: Array = np.linalg.norm(said.reshape(truth.shape) - truth, axis=2)
        errors: Array = distances.mean(axis=1) / self.unit(truth, side)
        return errors


class Landmarks(Points):
    """``landmarks<n>``: error of the landmarks over the distance of the eyes, as in MAFL.

    Args:
        eyes: the numbers of the two landmarks whose distance is 1.
        n, val: as in `Points`.
    """

    better = {"landmarks": "lower"}
    name, what, extras = "landmarks", "error / distance of the eyes", ("landmarks",)

    def __init__(self, eyes: Two = (0, 1), n: Several = 10_000, val: Several = 2000) -> None:
        super().__init__(n, val)
        self.eyes = list(eyes)

    def check(self, trial: Trial) -> None:
        """The eyes must be two landmarks."""
        super().check(trial)
        trial.check_points(self.eyes, "eyes")

    def settings(self) -> dict[str, Any]:
        """The eyes, too."""
        return {**super().settings(), "eyes": self.eyes}

    def unit(self, points: Array, side: int) -> Array:
        """The distance of the eyes."""
        left, right = self.eyes
        distance: Array = np.linalg.norm(points[:, left] - points[:, right], axis=1)
        return distance


class Layout(Points):
    """``layout<n>``: error of the corners of a room, in sides of the image."""

    better = {"layout": "lower"}
    name, what, extras = "layout", "error / side", ("layout",)

    def unit(self, points: Array, side: int) -> Array:
        """The side."""
        return np.full(len(points), float(side))


class LayoutTransfer(Layout):
    """``layout_transfer<n>``: the same of rooms of a family that nothing was learnt from.

    The regression and its level are those of ``layout``.
    """

    name = "layout_transfer"

    def lacks(self, trial: Trial) -> str:
        """A second family."""
        has = hasattr(trial.references.data, "second")
        return super().lacks(trial) or ("" if has else "data with a second family")

    def check(self, trial: Trial) -> None:
        """There must be images of the second family, too."""
        super().check(trial)
        self.tried_on(trial).enough("test", self.n, 2)

    def tried_on(self, trial: Trial) -> Trial:
        """The second family."""
        return trial.elsewhere(trial.references.data.second())
