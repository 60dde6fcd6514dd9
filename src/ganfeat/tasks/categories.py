"""What is on a photograph: the classes of a benchmark, by a linear classifier from each level."""

import numpy as np
import torch

from ganfeat.metrics.measure import Result
from ganfeat.metrics.value import count_name, mean_value
from ganfeat.pages import curves
from ganfeat.ranges import Several
from ganfeat.tasks.linear import Array, Chosen, Linear, best_level, choose
from ganfeat.tasks.task import Reading
from ganfeat.tasks.trial import EVERYTHING, Seen, Trial


class Categories(Reading):
    """``categories<n>`` and ``categories_all<n>``: the share of images whose class is named right.

    A ridge regression on one-hot classes, from the level that is best on ``val``, and from all
    levels in one row. The arrays have every level.

    Args:
        n: images of ``train``, and of ``test``; all where there are fewer.
        val: images of ``val``.
    """

    better = {"categories": "higher"}
    extras = ("category",)

    def __init__(self, n: Several = 50_000, val: Several = 5000) -> None:
        super().__init__(n, val)

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """Two accuracies."""
        train, val, test = self.parts(trial)
        count = int(max(seen.truth["category"].max() for seen in (train, val, test))) + 1
        targets = np.eye(count)[train.truth["category"].astype(int)]
        parts = {"val": val, "test": test}

        def accuracy(said: Array, part: str) -> float:
            return float(right(said, parts[part]).mean())

        found: dict[str, Chosen] = {}
        for level in [*train.levels, EVERYTHING]:
            learnt, chosen_on, tried = (seen.row(level) for seen in (train, val, test))
            found[level] = choose(Linear(learnt), targets, chosen_on, tried, accuracy)
        single = {level: chosen for level, chosen in found.items() if level != EVERYTHING}
        best = best_level(single)
        protocol = trial.protocol(
            real=self.n, fitted_on=trial.learnt_from(self.n), chosen_on=self.val, classes=count
        )
        end = count_name(len(test.truth["category"]))
        values = [
            mean_value(f"categories{end}", right(found[best].predicted, test), protocol),
            mean_value(f"categories_all{end}", right(found[EVERYTHING].predicted, test), protocol),
        ]
        accuracies = {level: chosen.test for level, chosen in single.items()}
        arrays = {
            "levels/categories": accuracies, "levels/categories_best": best,
            "categories_penalty": {level: found[level].strength for level in (best, EVERYTHING)},
        }  # fmt: skip
        marks = {"all levels": found[EVERYTHING].test, "chance": 1 / count}
        title = f"Which of {count} classes it is"
        picture = curves({"one level": accuracies}, "accuracy", title, marks)
        return Result(values, arrays, {"categories": picture})


def right(said: Array, seen: Seen) -> Array:
    """Whether each image's class is named right, [n]."""
    named: Array = (said.argmax(axis=1) == seen.truth["category"]).astype(float)
    return named
