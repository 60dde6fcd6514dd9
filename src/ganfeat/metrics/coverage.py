"""How samples cover the factors of the data (SynthFaces and its like), as the judge reads them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganfeat.features.small import Column
from ganfeat.metrics.measure import OfSamples, Result, Subject
from ganfeat.metrics.reading import meant
from ganfeat.metrics.redraw import factors_of
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import Judge, Looks
from ganfeat.metrics.value import Value, count_name
from ganfeat.ranges import Several

Array = NDArray[np.float64]
BINS = 10


class FactorCoverage(OfSamples):
    """Spread, shares and correlations of factors in samples against real images.

    The judge reads both, so that its own errors are in both. ``spread``: mean over continuous
    factors of ``|std(samples) / std(real) - 1|``, with one minus the length of the mean unit vector
    in place of the standard deviation for angles; ``range``: mean over the same of the total
    variation between the shares of ten bins, each of which holds a tenth of the real images;
    ``shares``: mean over binary and categorical ones of the total variation between their shares;
    ``missed``: how many of all these bins and classes no sample is in; ``correlation``: root mean
    square difference of the correlation matrices. 0 is perfect in all.
    Single factors are in the arrays.

    Args:
        n: number of samples, and of real images.
    """

    better = {"coverage_": "lower"}
    needs = "a judge that reads factors, and data that have them"

    def __init__(self, n: Several = 5000) -> None:
        self.n = n

    def applies(self, judge: Judge) -> bool:
        """Where factors can be read."""
        return judge.factors is not None

    def start(self, subject: Subject) -> None:
        """Room for the tables."""
        network = subject.judge.factors
        assert network is not None
        self.rows = Rows(self.n, len(network.columns), what="a factor").to(subject.samples.device)

    def look(self, looks: Looks) -> None:
        """Read the factors."""
        self.rows.update(looks.factors, looks.numbers)

    @torch.no_grad()
    def result(self, subject: Subject) -> Result:
        """Five numbers and all that is behind them."""
        network = subject.judge.factors
        assert network is not None
        samples = self.rows.numpy()
        images = subject.real_images(self.n)
        real = torch.cat([factors_of(network, x).cpu() for x in images]).double().numpy()
        found = compare(samples, real, network.columns)
        protocol = subject.protocol(network, real=self.n)
        end = f"{count_name(self.n)}_{network.name}"
        values = [
            Value(f"coverage_{kind}{end}", value, n=self.n, protocol=protocol)
            for kind, value in found["summary"].items()
        ]
        return Result(values, {f"coverage_{k}": v for k, v in found.items() if k != "summary"})


def _shares(counts: NDArray[np.int_]) -> list[float]:
    """Of all, or zeros where there is nothing."""
    shares: list[float] = (counts / max(int(counts.sum()), 1)).tolist()
    return shares


def compare(samples: Array, real: Array, columns: list[Column]) -> dict[str, Any]:
    """Two factor tables [N,F] and [M,F]: ratios of spread, shares, correlations, and a summary."""
    spread: dict[str, float] = {}
    shares: dict[str, Any] = {}
    reached: dict[str, Any] = {}
    for i, column in enumerate(columns):
        a, b = (table[meant(column, table, columns), i] for table in (samples, real))
        if column.kind in ("continuous", "circular"):
            edges = np.quantile(b, np.linspace(0, 1, BINS + 1)[1:-1])
            binned = [np.bincount(np.searchsorted(edges, x), minlength=BINS) for x in (a, b)]
            reached[column.name] = [_shares(c) for c in binned]
        # What is never drawn, where this factor means nothing, is not spread at all.
        if column.kind == "continuous":
            spread[column.name] = float(a.std() / b.std()) if len(a) else 0.0
        elif column.kind == "circular":
            around = [1 - np.abs(np.exp(1j * x).mean()) for x in (a, b) if len(x)]
            spread[column.name] = float(around[0] / around[-1]) if len(a) else 0.0
        else:
            classes = max(column.classes, 2)
            counts = [np.bincount(x.astype(int), minlength=classes) for x in (a, b)]
            shares[column.name] = [_shares(c) for c in counts]
    always = [i for i, column in enumerate(columns) if not column.needs]
    lines = [i for i in always if columns[i].kind in ("continuous", "binary")]
    with np.errstate(invalid="ignore"):  # a factor that never changes correlates with nothing
        correlations = [
            np.nan_to_num(np.atleast_2d(np.corrcoef(x[:, lines].T))) for x in (samples, real)
        ]
    off = ~np.eye(len(lines), dtype=bool)
    difference = (correlations[0] - correlations[1])[off]
    hit = [share for pairs in (shares, reached) for share, _ in pairs.values()]
    variation, off_bins = (
        [np.abs(np.subtract(*pair)).sum() / 2 for pair in both.values()]
        for both in (shares, reached)
    )
    return {
        "summary": {
            "spread": float(np.mean([abs(ratio - 1) for ratio in spread.values()] or [0])),
            "range": float(np.mean(off_bins or [0])),
            "shares": float(np.mean(variation or [0])),
            "missed": float(sum(share == 0 for of_factor in hit for share in of_factor)),
            "correlation": float(np.sqrt(np.square(difference).sum() / max(len(difference), 1))),
        },
        "factors": [columns[i].name for i in lines],
        "spread_ratios": spread,
        "range_shares": reached,
        "class_shares": shares,
        "samples_correlation": correlations[0].tolist(),
        "data_correlation": correlations[1].tolist(),
    }
