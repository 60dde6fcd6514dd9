"""How well a network reads what is true of images: the factors of drawn ones, or classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ganfeat.errors import UserError
from ganfeat.features import FactorNet, Features
from ganfeat.features.small import Column
from ganfeat.metrics.measure import OfNetwork, Result
from ganfeat.metrics.progress import Bar
from ganfeat.metrics.reference import References, describe
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import Value, count_name, mean_value
from ganfeat.ranges import Positive, Several

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
RARE = 10  # deviations from the mean, beyond which nothing counts more
EXTRAS = ("factors", "landmarks", "layout", "visible")
POINTS = ("landmarks", "layout")  # what data may call theirs


class FactorReading(OfNetwork):
    """``reading<n>_<network>``, the mean over factors, and ``landmarks<n>_<network>`` in pixels.

    Of rooms, the second is ``layout<n>_<network>``. Points count where they can be seen.

    Continuous factors count by R2, binary and categorical ones by balanced accuracy with chance at
    0, circular ones by ``1 - mean (1 - cos error) / spread of the angle``, where spread is one
    minus the length of the mean unit vector. The single scores are in the arrays.

    Args:
        n: number of images.
    """

    better = {"reading": "higher", "landmarks": "lower", "layout": "lower"}

    def __init__(self, n: Several = 10_000) -> None:
        self.n = n

    def check(self, network: Features, references: References) -> None:
        """It must name factors, and the data must have these."""
        if not isinstance(network, FactorNet):
            raise UserError(
                f"{network.name} names no factors, which takes a FactorNet: metrics=linear says "
                "how well they can be read from its vectors"
            )
        if columns_of(references) != network.columns:
            raise UserError(f"{network.name} reads other factors than these data have")

    @torch.no_grad()
    def result(self, network: Features, references: References, bar: Bar) -> Result:
        """Two numbers, and the score of each factor."""
        assert isinstance(network, FactorNet)
        width, n = len(network.columns), min(self.n, len(references.real(self.n)))
        rows = Rows(n, 2 * width + 2, what="a factor").to(references.device)
        advance = bar("images", n // references.ranks)
        known = references.data.facts()["extras"]
        extras = [extra for extra in EXTRAS if extra in known]
        what = next(name for name in POINTS if name in known)
        for numbers, batch in references.share(n, extras):
            vectors, side = network.embed(batch["image"]), batch["image"].shape[-1]
            points, _ = network.points(vectors, side)
            inside = ((batch[what] >= 0) & (batch[what] <= side)).all(dim=2)
            visible = batch.get("visible", inside)
            errors = (points - batch[what]).norm(dim=2) * visible
            misses = torch.stack([errors.sum(dim=1), visible.sum(dim=1)], dim=1)
            table = torch.cat([network.table(vectors), batch["factors"], misses], dim=1)
            rows.update(table, numbers)
            advance(len(numbers))
        found = rows.numpy()
        predicted, truth = found[:, :width], found[:, width : 2 * width]
        scores = factor_scores(predicted, truth, network.columns)
        mean, error = np.mean(list(scores.values())), found[:, -2].sum() / found[:, -1].sum()
        protocol = {"networks": describe(network), "data": references.fingerprint(n)}
        end = f"{count_name(n)}_{network.name}"
        values = [
            Value(name, float(value), n=n, protocol=protocol)
            for name, value in ((f"reading{end}", mean), (f"{what}{end}", error))
        ]
        return Result(values, {"reading": scores})


def columns_of(references: References) -> list[Column]:
    """The factors of the data.

    Raises:
        UserError: they have none.
    """
    columns = references.data.facts().get("columns")
    if columns is None:
        raise UserError("these data have no factors to be read: data=synthfaces has some")
    return [Column(*column) for column in columns]


def factor_scores(predicted: Array, truth: Array, columns: Sequence[Column]) -> dict[str, float]:
    """Score of each factor from tables [N,F]: 1 is perfect, 0 is to know nothing of the image.

    A factor counts in the images in which it means something.
    """
    found = {}
    for p, t, column in zip(predicted.T, truth.T, columns, strict=True):
        rows = meant(column, truth, columns)
        found[column.name] = _score(p[rows], t[rows], column)
    return found


def meant(column: Column, table: Array, columns: Sequence[Column]) -> Bools:
    """In which images of a factor table [N,F] a factor means something, [N]."""
    if not column.needs:
        return np.ones(len(table), bool)
    there: Bools = table[:, [c.name for c in columns].index(column.needs)] > 0.5
    return there


def _score(predicted: Array, truth: Array, column: Column) -> float:
    if len(truth) == 0 or (truth == truth[0]).all():
        raise UserError(
            f"{column.name} is the same in all {len(truth)} images that it is read from, so that "
            "nothing can be said of how well: take more images, or data in which it differs"
        )
    if column.kind == "continuous":
        return float(1 - np.square(predicted - truth).mean() / truth.var())
    if column.kind == "circular":
        spread = 1 - np.abs(np.exp(1j * truth).mean())
        return float(1 - (1 - np.cos(predicted - truth)).mean() / spread)
    classes = np.unique(truth)
    recall = np.mean([(predicted[truth == c] == c).mean() for c in classes])
    return float((recall - 1 / len(classes)) / (1 - 1 / len(classes)))


class LinearReading(OfNetwork):
    """``linear<n>_<network>``: what `FactorReading` says of the best linear map from vectors.

    It is fitted on ``train`` by least squares with a small ridge. For binary and categorical
    factors, each of the classes is a target of its own, of which the largest is the answer; all
    classes weigh the same.

    Args:
        n: number of images, and of those that the map is fitted on; all where there are fewer.
        ridge: share of a number's variance that is added to it.
    """

    better = {"linear": "higher"}
    name, array = "linear", "linear_reading"
    extras: Sequence[str] = ("factors",)

    def __init__(self, n: Several = 10_000, ridge: Positive = 1e-3) -> None:
        self.n, self.ridge = n, ridge

    def check(self, network: Features, references: References) -> None:
        """The data must have factors."""
        columns_of(references)

    def look(self, network: Features, batch: Mapping[str, Tensor]) -> Tensor:
        """The numbers [N,D] that are read from."""
        return network.embed(batch["image"])

    @torch.no_grad()
    def result(self, network: Features, references: References, bar: Bar) -> Result:
        """One number, and the score of each factor."""
        columns = columns_of(references)
        known, truths = self._table(network, references, "train", bar)
        seen, truth = self._table(network, references, references.part, bar)
        predicted = linear_reading(known, truths, seen, columns, self.ridge)
        scores = factor_scores(predicted, truth, columns)
        protocol = {"fitted_on": "train", "ridge": self.ridge}
        n = len(truth)
        protocol = references.protocol(network, real=n, **protocol)
        name = f"{self.name}{count_name(n)}_{network.name}"
        mean = float(np.mean(list(scores.values())))
        return Result([Value(name, mean, n=n, protocol=protocol)], {self.array: scores})

    def _table(
        self, network: Features, references: References, part: str, bar: Bar
    ) -> tuple[Array, Array]:
        """Numbers [n,D] and factors [n,F] of the images of a part."""
        n = min(self.n, len(references.real(self.n, (), part)))
        advance = bar(f"{part} images", n // references.ranks)
        rows: Rows | None = None
        for numbers, batch in references.share(n, self.extras, part):
            seen = self.look(network, batch)
            if rows is None:
                width = seen.shape[1] + batch["factors"].shape[1]
                rows = Rows(n, width, what="a feature").to(references.device)
            rows.update(torch.cat([seen, batch["factors"]], dim=1), numbers)
            advance(len(numbers))
        assert rows is not None
        found, factors = rows.numpy(), batch["factors"].shape[1]
        return found[:, :-factors], found[:, -factors:]


class LocalReading(LinearReading):
    """``local<n>_<network>``: the same from a map, at the landmarks of the face.

    What a mouth does may be plain to see where the mouth is, and lost in a vector that has to say
    first where that is. The places are given, so this is a question about maps.

    Args:
        n, ridge: as in `LinearReading`.
        tap: which map, counted from the deepest, -1.
    """

    better = {"local": "higher"}
    name, array = "local", "local_reading"
    extras = ("factors", "landmarks")

    def __init__(self, n: Several = 10_000, ridge: Positive = 0.1, tap: int = -2) -> None:
        super().__init__(n, ridge)
        self.tap = tap

    def look(self, network: Features, batch: Mapping[str, Tensor]) -> Tensor:
        """The map at the landmarks, [N,P*C]."""
        return at_points(network.taps(batch["image"])[self.tap], batch["landmarks"], batch["image"])


def at_points(maps: Tensor, points: Tensor, images: Tensor) -> Tensor:
    """Maps [N,C,h,h] at points [N,P,2] in pixels of ``images`` [N,3,R,R]: [N,C*P]."""
    places = points * (2 / images.shape[-1]) - 1
    return F.grid_sample(maps, places[:, :, None], align_corners=False).flatten(1)


def linear_reading(
    known: Array, truths: Array, vectors: Array, columns: Sequence[Column], ridge: float
) -> Array:
    """The factor table [M,F] of ``vectors`` [M,D], by a map from ``known`` [N,D] to [N,F]."""
    mean, deviation = known.mean(axis=0), known.std(axis=0) + 1e-8
    known, vectors = (  # a number that hardly ever differs would else shout when it does
        np.concatenate([((v - mean) / deviation).clip(-RARE, RARE), np.ones([len(v), 1])], axis=1)
        for v in (known, vectors)
    )
    whole, every, found = known, truths, []
    inverses: dict[str, Any] = {}
    for truth, column in zip(truths.T, columns, strict=True):
        rows = meant(column, every, columns)
        known, truth = whole[rows], truth[rows]
        penalty = ridge * len(known) * np.eye(known.shape[1])
        if column.needs not in inverses:
            inverses[column.needs] = np.linalg.inv(known.T @ known + penalty)
        plain = inverses[column.needs]
        match column.kind:
            case "continuous":
                found.append(vectors @ (plain @ (known.T @ truth)))
            case "circular":
                cosine, sine = (vectors @ (plain @ (known.T @ f(truth))) for f in (np.cos, np.sin))
                found.append(np.arctan2(sine, cosine))
            case _:
                targets = np.eye(max(column.classes, 2))[truth.astype(int)]
                weights = (targets / targets.sum(axis=0).clip(min=1)).sum(axis=1)
                weighted = known * (weights / weights.mean())[:, None]
                solution = np.linalg.solve(weighted.T @ known + penalty, weighted.T @ targets)
                found.append((vectors @ solution).argmax(axis=1).astype(float))
    return np.stack(found, axis=1)


class ClassReading(OfNetwork):
    """``accuracy<n>_<network>``: share of images whose class it names.

    Args:
        n: number of images.
    """

    better = {"accuracy": "higher"}

    def __init__(self, n: Several = 10_000) -> None:
        self.n = n

    def check(self, network: Features, references: References) -> None:
        """It must tell as many classes apart as the data have."""
        if not network.classes or references.data.label_dim != network.classes:
            raise UserError(
                f"{network.name} cannot be asked for classes here: that takes a ClassNet, and "
                "images of as many classes with data.labels=true"
            )

    @torch.no_grad()
    def result(self, network: Features, references: References, bar: Bar) -> Result:
        """One number."""
        n = min(self.n, len(references.real(self.n)))
        rows = Rows(n, what="an answer").to(references.device)
        advance = bar("images", n // references.ranks)
        for numbers, batch in references.share(n):
            logits = network.classify(network.embed(batch["image"]))
            right = logits.argmax(dim=1) == batch["label"].argmax(dim=1)
            rows.update(right.float(), numbers)
            advance(len(numbers))
        protocol = {"networks": describe(network), "data": references.fingerprint(n)}
        name = f"accuracy{count_name(n)}_{network.name}"
        return Result([mean_value(name, rows.numpy(), protocol)])
