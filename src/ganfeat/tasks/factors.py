"""Which factors can be read from which level: the hierarchy that GH-Feat is named after."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ganfeat.features import Rebuilder
from ganfeat.features.small import Column
from ganfeat.metrics.measure import Result
from ganfeat.metrics.reading import columns_of, factor_scores
from ganfeat.metrics.value import Value, count_name
from ganfeat.pages import curves
from ganfeat.tasks.linear import EQUAL, STRENGTHS, Array, Linear, as_table, as_targets, widths
from ganfeat.tasks.task import Reading
from ganfeat.tasks.trial import EVERYTHING, Trial

Scores = dict[str, dict[str, float]]  # by level and factor


class Tried(NamedTuple):
    """What readers of each level and factor came to, each of the strength that ``val`` chose.

    Attributes:
        val: scores there.
        test: scores there.
        penalty: the strengths.
    """

    val: Scores
    test: Scores
    penalty: Scores


class FactorsByLevel(Reading):
    """``factors<n>``: the mean over factors of what each one's best level says of it.

    Factors that mean something in some images alone, such as where a bed is, are left out.

    Scores are those of `ganfeat.metrics.reading.factor_scores`: 1 is perfect, 0 is to know nothing.
    The level and the strength of the ridge are chosen on ``val`` for each factor by itself.
    ``equal_factors<n>`` is the same from 128 principal components of each level that has more
    numbers, so that encoders of wide levels and of narrow ones can be compared. ``factors_all<n>``
    and ``equal_factors_all<n>`` are of all levels in one row, as some networks have a vector that
    was made of all their maps, and others have none. Where levels act
    at some resolution, ``geometry_octave<n>`` and ``colour_octave<n>`` are the means over these
    groups of factors of the best level's octave: 2 for 4 px, 3 for 8 px and so on. The arrays have
    all levels, and by factor the scores of the best ones (``factors``, ``equal_factors``), how
    strong their ridges were (``factors_penalty``) and their ``octaves``; ``equal_octaves`` where
    each level is cut to the narrowest one's width, as fine levels are narrow and might know less
    for that alone.

    Args:
        n: images of ``train``, and of ``test``.
        val: images of ``val``.
    """

    better = {
        "factors": "higher",
        "equal_factors": "higher",
        "geometry_octave": None,
        "colour_octave": None,
    }
    extras = ("factors",)

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """Four numbers, or six, and the scores of each level and factor."""
        columns = [column for column in columns_of(trial.references) if not column.needs]
        whole, equal = (self._scores(trial, columns, most) for most in (None, EQUAL))
        protocol = trial.protocol(
            real=self.n, fitted_on=trial.learnt_from(self.n), chosen_on=self.val
        )
        n = len(self.parts(trial)[2].truth["factors"])
        values, arrays = [], dict[str, Any]()
        for name, (val, test, penalty), more in (
            ("factors", whole, {}), ("equal_factors", equal, {"components": EQUAL})
        ):  # fmt: skip
            best = best_levels(val)
            of_best, chosen = (
                {factor: of[level][factor] for factor, level in best.items()}
                for of in (test, penalty)
            )
            mean = float(np.mean([*of_best.values()]))
            values.append(self._value(name, mean, n, {**protocol, **more}))
            together = self._scores(trial, columns, more.get("components"), [EVERYTHING])
            arrays[f"{name}_all"] = together.test[EVERYTHING]
            mean = float(np.mean([*arrays[f"{name}_all"].values()]))
            values.append(self._value(f"{name}_all", mean, n, {**protocol, **more}))
            lines = {factor: {x: of[factor] for x, of in test.items()} for factor in of_best}
            arrays |= {name: of_best, f"levels/{name}": lines, f"levels/{name}_best": best}
            arrays[f"{name}_penalty"] = chosen
        if isinstance(trial.network, Rebuilder):
            sides = trial.rebuilder.resolutions
            narrowest = min(x.shape[1] for x in trial.seen("train", self.n).levels.values())
            narrow = self._scores(trial, columns, narrowest)
            for name, found in (("octaves", whole), ("equal_octaves", narrow)):
                best = best_levels(found.val)
                arrays[name] = {f: float(np.log2(sides[level])) for f, level in best.items()}
            values += self._octaves(trial, arrays["octaves"], n, protocol)
        groups = trial.references.data.facts()["groups"]
        lines = {group: means(whole.test, names) for group, names in groups.items()}
        arrays["levels/groups"] = lines
        arrays["groups"] = {
            group: float(np.mean([arrays["factors"][name] for name in names]))
            for group, names in groups.items()
        }
        title = "What each level knows of groups of factors"
        picture = curves(lines, "score, 1 is perfect", title)
        return Result(values, arrays, {"factors": picture})

    def _value(self, name: str, value: float, n: int, protocol: Mapping[str, Any]) -> Value:
        return Value(f"{name}{count_name(n)}", value, n=n, protocol=dict(protocol))

    def _octaves(
        self, trial: Trial, octaves: Mapping[str, float], n: int, protocol: Mapping[str, Any]
    ) -> list[Value]:
        return [
            self._value(
                f"{group}_octave", float(np.mean([octaves[name] for name in names])), n, protocol
            )
            for group, names in trial.references.data.facts()["groups"].items()
        ]

    def _scores(
        self,
        trial: Trial,
        columns: Sequence[Column],
        most: int | None,
        levels: Sequence[str] | None = None,
    ) -> Tried:
        """Readers of each of these levels, or of all of them, and factor."""
        train, val, test = self.parts(trial)
        every = columns_of(trial.references)
        kept = [i for i, column in enumerate(every) if column in columns]
        targets = as_targets(train.truth["factors"][:, kept], columns)
        classes = np.repeat(
            [c.kind not in ("continuous", "circular") for c in columns], widths(columns)
        )
        found = Tried({}, {}, {})
        for level in levels or train.levels:
            reader = Linear(train.row(level), most)
            seen = (val.row(level), test.row(level))
            tried = reader.read(targets, *seen, classes=classes)
            both = [
                [
                    scored(said, seen.truth["factors"][:, kept], columns)
                    for said, seen in zip(one, (val, test), strict=True)
                ]
                for one in tried
            ]
            best = {
                c.name: max(range(len(STRENGTHS)), key=lambda i: both[i][0][c.name])
                for c in columns
            }
            found.val[level] = {name: both[i][0][name] for name, i in best.items()}
            found.test[level] = {name: both[i][1][name] for name, i in best.items()}
            found.penalty[level] = {name: STRENGTHS[i] for name, i in best.items()}
        return found


def scored(said: Array, truth: Array, columns: Sequence[Column]) -> dict[str, float]:
    """Scores of predictions [n,T] against the table [n,F]."""
    return factor_scores(as_table(said, columns), truth, columns)


def best_levels(scores: Scores) -> dict[str, str]:
    """The level that knows most of each factor."""
    factors = next(iter(scores.values()))
    return {factor: max(scores, key=lambda level: scores[level][factor]) for factor in factors}


def means(scores: Scores, factors: Sequence[str]) -> dict[str, float]:
    """Each level's mean score of some factors."""
    return {
        level: float(np.mean([of_level[factor] for factor in factors]))
        for level, of_level in scores.items()
    }
