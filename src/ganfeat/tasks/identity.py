"""Who is it: people told apart by a linear classifier, level by level."""

import numpy as np
import torch

from ganfeat.errors import UserError
from ganfeat.metrics.measure import Result
from ganfeat.metrics.value import count_name, mean_value
from ganfeat.pages import curves
from ganfeat.ranges import Several
from ganfeat.tasks.linear import STRENGTHS, Array, Linear
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import EVERYTHING, Seen, Trial


class Identity(Task):
    """``identity<n>``: share of images whose person is named right, of all people of ``test``.

    A ridge regression on one-hot people learns from every second image of each and is tried on the
    others. Level and strength are chosen in the same way among the people of ``val``;
    ``identity_all<n>`` is from all levels in one row.

    Args:
        n: images, of ``val`` and of ``test``.
    """

    better = {"identity": "higher"}
    extras = ("identity",)

    def __init__(self, n: Several = 10_000) -> None:
        self.n = n

    def check(self, trial: Trial) -> None:
        """Two images of everybody, or more."""
        for part in ("val", "test"):
            data = trial.references.real(self.n, self.extras, part)
            people = data.facts()["people"]
            if len(data) < 2 * people:
                raise UserError(
                    f"there are {people} people in {part}, and of each some images are learnt "
                    f"from and others tried: n must be {2 * people} or more"
                )

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """The accuracies of the chosen level and of all in one row; the arrays have each."""
        val, test = (trial.seen(part, self.n) for part in ("val", "test"))
        levels = [*val.levels, EVERYTHING]
        tried = {x: [float(right.mean()) for right in recognised(val, x)] for x in levels}
        strength = {level: int(np.argmax(scores)) for level, scores in tried.items()}
        found = {level: recognised(test, level)[strength[level]] for level in levels}
        best = max(val.levels, key=lambda level: max(tried[level]))
        people = len({*test.truth["identity"].tolist()})
        protocol = trial.protocol(real=self.n, people=people, chosen_on=self.n)
        end = count_name(self.n)
        values = [
            mean_value(f"identity{end}", found[best], protocol),
            mean_value(f"identity_all{end}", found[EVERYTHING], protocol),
        ]
        accuracies = {level: float(found[level].mean()) for level in test.levels}
        arrays = {
            "levels/identity": accuracies, "levels/identity_best": best,
            "identity_penalty": STRENGTHS[strength[best]],
        }  # fmt: skip
        title = f"Which of {people} people it is"
        picture = curves({"identity": accuracies}, "accuracy", title, {"chance": 1 / people})
        return Result(values, arrays, {"identity": picture})


def recognised(seen: Seen, level: str) -> list[Array]:
    """Whether each second image of a person is named right, [n/2], for each strength."""
    people, who = np.unique(seen.truth["identity"], return_inverse=True)
    learnt = np.zeros(len(who), bool)
    for person in range(len(people)):
        learnt[np.flatnonzero(who == person)[::2]] = True
    codes = seen.row(level)
    reader = Linear(codes[learnt])
    said = reader.read(np.eye(len(people))[who[learnt]], codes[~learnt])
    return [(one[0].argmax(axis=1) == who[~learnt]).astype(float) for one in said]
