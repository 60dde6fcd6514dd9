"""How well a network reads what is true of images: the factors of drawn ones, or classes."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

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
EXTRAS = ("factors", "landmarks", "visible")


class FactorReading(OfNetwork):
    """``reading<n>_<network>``, the mean over factors, and ``landmarks<n>_<network>`` in pixels.

    Continuous factors count by R2, binary and categorical ones by balanced accuracy with chance at
    0, circular ones by ``1 - spread of the error / spread of the angle``, where spread is one minus
    the length of the mean unit vector. The single scores are in the arrays.

    Args:
        n: number of images.
    """

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
        width = len(network.columns)
        rows = Rows(self.n, 2 * width + 2, what="a factor").to(references.device)
        advance = bar("images", self.n // references.ranks)
        for numbers, batch in references.share(self.n, EXTRAS):
            vectors = network.embed(batch["image"])
            points, _ = network.points(vectors, batch["image"].shape[-1])
            errors = (points - batch["landmarks"]).norm(dim=2) * batch["visible"]
            landmarks = torch.stack([errors.sum(dim=1), batch["visible"].sum(dim=1)], dim=1)
            table = torch.cat([network.table(vectors), batch["factors"], landmarks], dim=1)
            rows.update(table, numbers)
            advance(len(numbers))
        found = rows.numpy()
        predicted, truth = found[:, :width], found[:, width : 2 * width]
        scores = factor_scores(predicted, truth, network.columns)
        mean, error = np.mean(list(scores.values())), found[:, -2].sum() / found[:, -1].sum()
        protocol = {"networks": describe(network), "data": references.fingerprint(self.n)}
        end = f"{count_name(self.n)}_{network.name}"
        values = [
            Value(name, float(value), n=self.n, protocol=protocol)
            for name, value in ((f"reading{end}", mean), (f"landmarks{end}", error))
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
    """Score of each factor from tables [N,F]: 1 is perfect, 0 is to know nothing of the image."""
    pairs = zip(predicted.T, truth.T, columns, strict=True)
    return {column.name: _score(p, t, column) for p, t, column in pairs}


def _score(predicted: Array, truth: Array, column: Column) -> float:
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
        n: number of images, and of those that the map is fitted on.
        ridge: share of a number's variance that is added to it.
    """

    def __init__(self, n: Several = 10_000, ridge: Positive = 1e-3) -> None:
        self.n, self.ridge = n, ridge

    def check(self, network: Features, references: References) -> None:
        """The data must have factors."""
        columns_of(references)

    @torch.no_grad()
    def result(self, network: Features, references: References, bar: Bar) -> Result:
        """One number, and the score of each factor."""
        columns = columns_of(references)
        width = network.width(references.data.resolution, references.device)
        tables = []
        for part in ("train", references.part):
            rows = Rows(self.n, width + len(columns), what="a feature vector").to(references.device)
            advance = bar(f"{part} images", self.n // references.ranks)
            for numbers, batch in references.share(self.n, ["factors"], part):
                vectors = network.embed(batch["image"])
                rows.update(torch.cat([vectors, batch["factors"]], dim=1), numbers)
                advance(len(numbers))
            tables.append(rows.numpy())
        (known, truths), (seen, truth) = (np.split(table, [width], axis=1) for table in tables)
        predicted = linear_reading(known, truths, seen, columns, self.ridge)
        scores = factor_scores(predicted, truth, columns)
        protocol = {
            "networks": describe(network),
            "data": references.fingerprint(self.n),
            "fitted_on": "train",
            "ridge": self.ridge,
        }
        name = f"linear{count_name(self.n)}_{network.name}"
        mean = float(np.mean(list(scores.values())))
        return Result([Value(name, mean, n=self.n, protocol=protocol)], {"reading": scores})


def linear_reading(
    known: Array, truths: Array, vectors: Array, columns: Sequence[Column], ridge: float
) -> Array:
    """The factor table [M,F] of ``vectors`` [M,D], by a map from ``known`` [N,D] to [N,F]."""
    mean, deviation = known.mean(axis=0), known.std(axis=0) + 1e-8
    known, vectors = (
        np.concatenate([(v - mean) / deviation, np.ones([len(v), 1])], axis=1)
        for v in (known, vectors)
    )
    found = []
    for truth, column in zip(truths.T, columns, strict=True):
        weights = np.ones(len(truth))
        match column.kind:
            case "continuous":
                targets = truth[:, None]
            case "circular":
                targets = np.stack([np.cos(truth), np.sin(truth)], axis=1)
            case _:
                targets = np.eye(max(column.classes, 2))[truth.astype(int)]
                weights = (targets / targets.sum(axis=0).clip(min=1)).sum(axis=1)
                weights /= weights.mean()
        weighted = known * weights[:, None]
        squares = weighted.T @ known + ridge * len(known) * np.eye(known.shape[1])
        scores = vectors @ np.linalg.solve(squares, weighted.T @ targets)
        match column.kind:
            case "continuous":
                found.append(scores[:, 0])
            case "circular":
                found.append(np.arctan2(scores[:, 1], scores[:, 0]))
            case _:
                found.append(scores.argmax(axis=1).astype(float))
    return np.stack(found, axis=1)


class ClassReading(OfNetwork):
    """``accuracy<n>_<network>``: share of images whose class it names.

    Args:
        n: number of images.
    """

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
