"""What every task is given, and what it gives.

A task asks what an encoder's features are good for. Most read something off single levels: they
learn on ``train``, choose the level and how strongly they are held back on ``val``, and report what
comes out on ``test``, of every level and of the one chosen (methods/ghfeat.md, traps 30 and 31).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ganfeat.errors import UserError
from ganfeat.features import Rebuilder
from ganfeat.metrics.evaluation import joined, timed
from ganfeat.metrics.measure import Measurement, Result
from ganfeat.metrics.value import not_applicable
from ganfeat.ranges import Several
from ganfeat.tasks.trial import Seen, Trial


class Task(Measurement):
    """Something to do with an encoder's features."""

    draws = False  # whether the encoder must be able to draw
    per_pixel = False  # whether it reads hyper-columns, for which some encoders draw, too
    reads = False  # whether the judge must read factors
    judged = False  # whether it takes a judge, even one that does not
    unseen = False  # whether images that the encoder was trained on would flatter it
    extras: Sequence[str] = ()  # what the data must know

    def lacks(self, trial: Trial) -> str:
        """What is missing for it; empty where it can be done."""
        if self.draws and not isinstance(trial.network, Rebuilder):
            return "an encoder whose codes can be drawn"
        if self.reads and (trial.judge is None or trial.judge.factors is None):
            return "a judge that reads factors, and data that have them"
        if self.judged and trial.judge is None:
            return "a judge"
        if self.unseen and not trial.references.data.facts().get("unseen", True):
            return "images that the encoder was not trained on (data.test=PATH)"
        known = trial.references.data.facts().get("extras", ())
        if missing := [extra for extra in self.extras if extra not in known]:
            return f"data that know the {', '.join(missing)} of images"
        return ""

    @property
    def needs_generator(self) -> bool:
        """Whether an encoder that was made with a generator needs it here."""
        return self.draws or self.per_pixel

    def check(self, trial: Trial) -> None:
        """Refuse what is known to be impossible before anything is computed.

        Raises:
            UserError: says what is too few or unknown.
        """

    def result(self, trial: Trial) -> Result:
        """Do it all."""
        raise NotImplementedError


def check(trial: Trial, tasks: Mapping[str, Task]) -> dict[str, str]:
    """What each of the tasks lacks, before anything is computed; empty where it can be done.

    Raises:
        UserError: something is too few or unknown, or not one of the tasks can be done.
    """
    lacks = {name: task.lacks(trial) for name, task in tasks.items()}
    if tasks and all(lacks.values()):
        needs = "; or ".join(dict.fromkeys(lacks.values()))
        raise UserError(f"none of the tasks can be done without {needs}. tasks=none goes without")
    for name, task in tasks.items():
        if not lacks[name]:
            with _named(name):
                task.check(trial)
    return lacks


def perform(trial: Trial, tasks: Mapping[str, Task]) -> Result:
    """Do all tasks, in their order. What cannot be done with this encoder gives ``n/a``.

    Raises:
        UserError: as `check`, or numbers are not finite.
    """
    results = []
    for name, missing in check(trial, tasks).items():
        if missing:
            results.append(Result([not_applicable(name, missing)]))
            continue
        began = time.perf_counter()
        with _named(name):
            results.append(timed(tasks[name], tasks[name].result(trial), began))
    return joined(results)


@contextmanager
def _named(task: str) -> Iterator[None]:
    """Messages from inside say which task it is, and how to go without."""
    try:
        yield
    except UserError as error:
        raise UserError(f"tasks.{task}: {error}; tasks.{task}=null leaves it out") from error


class Reading(Task):
    """Something that is read off single levels, by what was learnt on ``train``.

    Args:
        n: images of ``train``, and of ``test``; all where there are fewer.
        val: images of ``val``, on which is chosen.
    """

    def __init__(self, n: Several = 10_000, val: Several = 2000) -> None:
        self.n, self.val = n, val

    def check(self, trial: Trial) -> None:
        """There must be images in each part."""
        for part, n in (("train", self.n), ("val", self.val), ("test", self.n)):
            trial.enough(part, n, 2)

    def parts(self, trial: Trial) -> tuple[Seen, Seen, Seen]:
        """``train``, ``val`` and ``test``, as the encoder sees them."""
        return trial.seen("train", self.n), trial.seen("val", self.val), trial.seen("test", self.n)
